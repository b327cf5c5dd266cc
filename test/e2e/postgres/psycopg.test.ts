import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTap } from '../../support/byte-tap.ts'
import type { ByteTap } from '../../support/byte-tap.ts'
import { canariesIn } from '../../support/canaries.ts'
import { runChild } from '../../support/child.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { findPython } from '../../support/python.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const python = findPython()
const SCRIPT = fileURLToPath(new URL('psycopg-session.py', import.meta.url))

let stack: Stack
let tap: ByteTap

beforeAll(async () => {
  stack = await startStack()
  tap = await openTap(stack.line.gateway)
})
afterAll(async () => {
  await tap?.close()
  await stack?.stop()
})

/** What each scenario of the script saw. */
async function saw(environment: Readonly<Record<string, string>>, names: readonly string[]): Promise<Scenarios> {
  const env = { ...environment, PGSSLMODE: 'disable', PYTHONIOENCODING: 'utf8' }
  const { status, stdout, stderr } = await runChild(python ?? '', [SCRIPT, ...names], { env, timeoutMs: 60_000 })
  if (status !== 0) throw new Error(`psycopg ended with ${status}: ${stderr}`)
  const seen: Scenarios = JSON.parse(stdout)
  return seen
}

type Scenarios = Readonly<Record<string, unknown>>

const through = (...names: string[]): Promise<Scenarios> => saw({ ...stack.line.env, PGPORT: String(tap.port) }, names)

function direct(...names: string[]): Promise<Scenarios> {
  const { host, port, database, user, password } = stack.line.upstream
  const env = { PGHOST: host, PGPORT: String(port), PGDATABASE: database, PGUSER: user, PGPASSWORD: password }
  return saw(env, names)
}

const ssn = (id: number): string => `*******${String(id).repeat(4)}`
const FIRST = ['*******1111', 'a***@***', '********0001', '1981-01-01']

describe.skipIf(python === null)('psycopg 3', () => {
  test('what carries no label is the same as directly: types, parameters, transactions, errors', async () => {
    const names = ['types', 'parameters', 'transactions', 'errors']
    const [gateway, server] = await Promise.all([through(...names), direct(...names)])
    expect(gateway).toEqual(server)
    expect(server).toMatchObject({ errors: ['22012', '22P02', '42601', '22008'] })
  })

  test('labelled columns are masked, whichever way they are asked for', async () => {
    const ways = ['masked', 'prepared', 'many', 'pipeline', 'stream', 'asynchronous']
    const all = [1, 2, 3, 4, 5].map((id) => [id, ssn(id)])
    expect(await through(...ways)).toEqual({
      masked: [[FIRST], [FIRST]],
      prepared: [
        ['Alice Archer', ssn(1)],
        ['Bob Becker', ssn(2)],
        ['Alice Archer', ssn(1)],
        ['Bob Becker', ssn(2)],
      ],
      many: [[ssn(1)], [ssn(2)], [ssn(3)]],
      pipeline: all,
      stream: all,
      asynchronous: [ssn(5)],
    })
  })

  test('its named cursors are masked: DECLARE and FETCH, scrolled, binary, held', async () => {
    const rows = [1, 2, 3].map((id) => [id, ssn(id)])
    expect(await through('server_cursor')).toEqual({ server_cursor: [rows[0], rows, rows.slice(0, 2), rows] })
  })

  test('what is refused leaves a session that goes on', async () => {
    expect(await through('denied', 'pipeline_refused')).toEqual({
      denied: [
        {
          sqlstate: '42501',
          message: expect.stringMatching(/^refused by policy: /),
          hint: expect.stringMatching(/^Decision [0-9a-f-]{36}, rule reject-destructive\.$/),
        },
        [1],
      ],
      pipeline_refused: ['42501', [3]],
    })
  })

  test('cancel_safe ends what runs', async () => {
    expect(await through('cancel')).toEqual({ cancel: ['57014', true, [1]] })
  })

  test('no canary came through, stands in the evidence, or in the log', () => {
    expect(tap.toClients().length).toBeGreaterThan(3000)
    expect(canariesIn(tap.toClients())).toEqual([])
    expect(canariesIn(evidenceBytes(stack.evidence))).toEqual([])
    expect(canariesIn(Buffer.from(stack.gateway.log))).toEqual([])
  })
})
