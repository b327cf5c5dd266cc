import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeFrontend, type FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import type { Reconciliation } from '../../../planes/postgres/index.ts'
import { canariesIn } from '../../support/canaries.ts'
import { countersign } from '../../support/command.ts'
import { direct } from '../../support/direct.ts'
import { LOG_EVERYTHING, logFiles, logged } from '../../support/server-log.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { WireClient } from '../../support/wire-client.ts'

/** Sequences of frames, legal and not, at a real server; what it ran is read from its own log afterwards. */
const RUNS = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 150) }
const TIMEOUT = { timeout: 600_000 }
/** Of memory that a gateway may hold more after all this than before, in bytes. */
const GROWTH = 200 * 1024 * 1024

let stack: Stack
let began: string
let memoryBefore: number
let bankBefore: unknown

beforeAll(async () => {
  stack = await startStack({ settings: LOG_EVERYTHING })
  const client = await open()
  await client.query('SELECT 1')
  client.end()
  memoryBefore = resident()
  bankBefore = await direct(stack, COUNTS)
  await sleep(5)
  began = new Date().toISOString() // what was asked past the gateway lies before
})
afterAll(() => stack?.stop())

const open = (): Promise<WireClient> =>
  WireClient.open(stack.line.gateway, { token: stack.line.principals.agent.token, database: 'bank' })

/** Of the gateway's process, in bytes. */
function resident(): number {
  const status = readFileSync(`/proc/${stack.gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

const TEXTS = [
  'SELECT id, name FROM customers ORDER BY id',
  'SELECT id, ssn, email FROM customers ORDER BY id',
  'SELECT * FROM customer_contact',
  'SELECT name FROM customers WHERE id = $1',
  'SELECT ssn, dob FROM customers WHERE id = $1',
  "SELECT ssn || '' FROM customers",
  'SELECT ssn::integer FROM customers',
  'SELECT 1 / 0',
  'SELECT $1::integer + 1',
  'DELETE FROM transfers',
  'DROP TABLE customers',
  'COPY (SELECT id, ssn FROM customers) TO STDOUT',
  'COPY accounts (id, balance) TO STDOUT (FORMAT binary)',
  'COPY customers FROM STDIN',
  'PREPARE p AS SELECT email FROM customers',
  'EXECUTE p',
  'DECLARE c CURSOR FOR SELECT phone FROM customers',
  'FETCH 2 FROM c',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'DEALLOCATE ALL',
  'SELECT nonsense FROM customers',
  'SELEC',
  '',
  'SELECT 1; SELECT ssn FROM customers; SELECT 2',
  'BEGIN; SELECT 1 / 0; SELECT 2',
] as const

const text = fc.constantFrom(...TEXTS)
const name = fc.constantFrom('', 's1', 's2')
const portal = fc.constantFrom('', 'p1')
const format = fc.constantFrom<0 | 1>(0, 1)

const legal: fc.Arbitrary<FrontendMessage> = fc.oneof(
  fc.record({ kind: fc.constant('query' as const), sql: text }),
  fc.record({ kind: fc.constant('parse' as const), name, sql: text, parameterTypes: fc.constantFrom([], [23]) }),
  fc.record({
    kind: fc.constant('bind' as const),
    portal,
    statement: name,
    formats: fc.constantFrom([], [0 as const]),
    parameters: fc.constantFrom([], [Buffer.from('1')], [null], [Buffer.from('x')]),
    resultFormats: fc.array(format, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('describe' as const), target: fc.constant('statement' as const), name }),
  fc.record({ kind: fc.constant('describe' as const), target: fc.constant('portal' as const), name: portal }),
  fc.record({ kind: fc.constant('execute' as const), portal, maxRows: fc.constantFrom(0, 1, 2) }),
  fc.record({ kind: fc.constant('close' as const), target: fc.constant('statement' as const), name }),
  fc.record({ kind: fc.constant('close' as const), target: fc.constant('portal' as const), name: portal }),
  fc.constant({ kind: 'flush' as const }),
  fc.constant({ kind: 'sync' as const }),
)

const illegal: fc.Arbitrary<FrontendMessage | Buffer> = fc.oneof(
  fc.record({ kind: fc.constant('functionCall' as const), functionOid: fc.nat(), rest: fc.constant(Buffer.alloc(6)) }),
  fc.record({ kind: fc.constant('password' as const), body: fc.constant(Buffer.from('x\0')) }),
  fc.record({ kind: fc.constant('copyData' as const), data: fc.constant(Buffer.from('9\tx\n')) }),
  fc.constantFrom({ kind: 'copyDone' as const }, { kind: 'terminate' as const }),
  fc.uint8Array({ minLength: 1, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
)

/** Written in pieces of these sizes, cyclically. */
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3 })

function bytesOf(messages: readonly (FrontendMessage | Buffer)[]): Buffer {
  return Buffer.concat(
    messages.map((message) => {
      if (Buffer.isBuffer(message)) return message
      const writer = new Writer(256)
      encodeFrontend(writer, message)
      return writer.take()
    }),
  )
}

async function send(client: WireClient, bytes: Buffer, sizes: readonly number[]): Promise<void> {
  let piece = 0
  for (let from = 0; from < bytes.length && !client.closed; piece += 1) {
    const size = sizes[piece % Math.max(sizes.length, 1)] ?? bytes.length
    client.raw(bytes.subarray(from, from + size))
    from += size
    if (piece % 4 === 3) await new Promise(setImmediate)
  }
}

/** Nothing sensitive came, in whatever message. */
function clean(client: WireClient): void {
  expect(canariesIn(Buffer.concat(client.bytes))).toEqual([])
}

let serial = 0

describe('random frames at a real server', () => {
  test(
    'legal ones are answered no more often than they ask, and the next question gets its own answer',
    TIMEOUT,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(legal, { minLength: 1, maxLength: 14 }), cuts, async (messages, sizes) => {
          const client = await open()
          const copies = messages.some((message) => 'sql' in message && message.sql.startsWith('COPY customers FROM'))
          // A COPY from the client takes what comes next for its rows; these end it, and are ignored where there is none.
          const ends: FrontendMessage[] = copies ? [{ kind: 'copyFail', reason: 'no' }] : []
          await send(client, bytesOf([...messages, ...ends, { kind: 'sync' }]), sizes)
          const mark = `mark ${(serial += 1)}`
          client.send({ kind: 'query', sql: 'ROLLBACK' }, { kind: 'query', sql: `SELECT '${mark}'` })
          const seen: string[] = []
          while (!seen.includes(mark)) {
            for (const message of await client.until('readyForQuery')) {
              if (message.kind === 'dataRow') seen.push(message.values[0]?.toString() ?? '')
            }
          }
          // Behind an error everything up to Sync is discarded, a Query too.
          const asked = 3 + messages.filter(({ kind }) => kind === 'sync' || kind === 'query').length
          expect(readies(client)).toBeLessThanOrEqual(asked)
          clean(client)
          client.destroy()
        }),
        RUNS,
      )
    },
  )

  test('with illegal ones among them, nothing sensitive comes back', TIMEOUT, async () => {
    expect.hasAssertions()
    const mixed = fc.array(fc.oneof({ weight: 3, arbitrary: legal }, { weight: 1, arbitrary: illegal }), {
      minLength: 1,
      maxLength: 14,
    })
    await fc.assert(
      fc.asyncProperty(mixed, cuts, fc.boolean(), async (messages, sizes, abruptly) => {
        const client = await open()
        await send(client, bytesOf([...messages, { kind: 'sync' }, { kind: 'terminate' }]), sizes)
        if (abruptly) client.destroy()
        else {
          client.end()
          await client.untilClosed()
        }
        clean(client)
      }),
      RUNS,
    )
  })
})

function readies(client: WireClient): number {
  // Type byte, length of 5, status: no row or notice of these texts holds such six bytes.
  const bytes = Buffer.concat(client.bytes)
  let count = 0
  for (let at = bytes.indexOf(READY); at >= 0; at = bytes.indexOf(READY, at + READY.length)) count += 1
  return count - 1 // the one that ended the handshake
}
const READY = Buffer.from('Z\0\0\0\x05', 'latin1')

describe('afterwards', () => {
  test('the gateway holds no more memory than it needs', () => {
    expect(resident() - memoryBefore).toBeLessThan(GROWTH)
  })

  test('whatever the server ran, a decision of the gateway’s stands for it', async () => {
    const client = await open()
    await client.query('SELECT 1 AS last_mark')
    client.end()
    await logged(stack.postgres, 'csv', 'last_mark')
    await expect.poll(async () => (await reconcile()).report.around, { timeout: 20_000, interval: 500 }).toEqual([])
    const { report } = await reconcile()
    expect(report.matched).toBeGreaterThan(100)
  })

  test('PostgreSQL holds what it held', async () => {
    expect(await direct(stack, COUNTS)).toEqual(bankBefore)
  })
})

const COUNTS =
  'SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM accounts), (SELECT count(*) FROM transfers)'

async function reconcile(): Promise<{ readonly report: Reconciliation }> {
  const argv = ['reconcile', stack.evidence, '--json', '--from', began, '--server-log']
  const { out } = await countersign('postgres', ...argv, ...logFiles(stack.postgres, 'csv'))
  const report: Reconciliation = JSON.parse(out)
  return { report }
}
