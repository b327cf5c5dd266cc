import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { canariesIn } from '../../support/canaries.ts'
import { runChild } from '../../support/child.ts'
import { findPython } from '../../support/python.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { WireClient } from '../../support/wire-client.ts'

const python = findPython()
const SCRIPT = fileURLToPath(new URL('trace-psycopg.py', import.meta.url))

const directory = temporaryDirectory()
const traces = join(directory.path, 'traces')
let stack: Stack
beforeAll(async () => {
  stack = await startStack({ plane: { trace: traces } })
})
afterAll(async () => {
  await stack?.stop()
  directory[Symbol.dispose]()
})

const seen = new Set<string>()
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\t/
const whole = (): string[] => {
  const [name = ''] = readdirSync(traces).filter((each) => !seen.has(each))
  return readFileSync(join(traces, name), 'utf8').split('\n').slice(0, -1)
}

/** The lines of the newest session's trace, once it has ended. */
async function traced(): Promise<string[]> {
  await expect.poll(() => whole().at(-1), { timeout: 20_000 }).toMatch(/F\t4\tTerminate$/)
  const lines = whole()
  for (const name of readdirSync(traces)) seen.add(name)
  for (const line of lines) expect(line).toMatch(TIME)
  return lines.map((line) => line.replace(TIME, ''))
}

test.skipIf(python === null)(
  'a trace is what PQtrace writes at the client, but for the values that the client sent',
  async () => {
    const env = { ...stack.line.env, PGSSLMODE: 'disable' }
    const { status, stdout, stderr } = await runChild(python ?? '', [SCRIPT], { env })
    expect([status, stderr]).toEqual([0, ''])
    const told = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (line.startsWith('F\t') ? line.replaceAll(/'[^']*'/g, "'…'") : line))
    const lines = await traced()
    expect(lines).toEqual([...told, 'F\t4\tTerminate'])
    expect(told.length).toBeGreaterThan(50)
    expect(canariesIn(Buffer.from(lines.join('\n')))).toEqual([])
  },
)

test('no literal, no bound value and no token is in a trace, nor what COPY carries', async () => {
  const client = await WireClient.open(stack.line.gateway, {
    token: stack.line.principals.agent.token,
    database: 'bank',
  })
  await client.query("SELECT 'a secret literal' AS x; SELECT 4711 /* a secret comment */")
  await client.query("SELECT 'a secret that is no SQL")
  await client.query("SELECT nothing, 'a secret' FROM customers WHERE bank.close_account(4711) IS NULL")
  client.send(
    { kind: 'parse', name: '', sql: "SELECT $1::text || 'a secret'", parameterTypes: [] },
    {
      kind: 'bind',
      portal: '',
      statement: '',
      formats: [],
      parameters: [Buffer.from('a secret value')],
      resultFormats: [],
    },
    { kind: 'close', target: 'portal', name: '' },
    { kind: 'copyData', data: Buffer.from('a secret row') },
    { kind: 'copyFail', reason: 'a secret reason' },
    { kind: 'sync' },
  )
  await client.until('readyForQuery')
  client.send({ kind: 'terminate' })
  await client.untilClosed()
  const lines = await traced()
  const sent = lines.filter((line) => line.startsWith('F'))
  expect(sent.join('\n')).not.toMatch(/secret|4711/)
  expect(sent.slice(0, 3)).toEqual([
    'F\t71\tQuery\t "SELECT $1 AS x; SELECT $1"',
    'F\t36\tQuery\t "…"',
    'F\t85\tQuery\t "SELECT nothing, $1 FROM customers WHERE bank.close_account($2) IS NULL"',
  ])
  expect(lines.join('\n')).not.toContain(stack.line.principals.agent.token.slice(0, 30))
})
