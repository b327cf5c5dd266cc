import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import { encodeFrontend, type FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../../planes/postgres/codec/writer.ts'
import { ScriptedClient, type ClientStep } from '../../support/scripted-client.ts'
import { type Executed, ScriptedServer } from '../../support/scripted-server.ts'
import { openRig, QUIET, type Rig, socketPair } from '../../support/scripted-session.ts'
import { CANARY, DENIED, errorFields } from '../../support/scripted-statements.ts'

const ASKED = process.env['FUZZ_RUNS']
/** `npm run fuzz` looks for new ones; `npm test` asks the same ones each time. */
const RUNS =
  ASKED === undefined
    ? { numRuns: 100, seed: 20_261_125 }
    : { numRuns: Number(ASKED), interruptAfterTimeLimit: 600_000, timeout: 20_000 }

// What clients do

type Batch = readonly ClientStep[]

let serial = 0
const sql = (pool: readonly string[]): fc.Arbitrary<string> =>
  fc.constantFrom(...pool).map((text) => text.replace('#', `#${(serial += 1)}`))

const HARMLESS = ['read open #', 'read open # $1', 'write open #', 'begin #', 'commit #', 'rollback #', 'fail open #']
const DECIDED = ['read secret #', 'fail secret #', 'late secret #', 'write secret #', `${DENIED} read open #`]
const ANY = [...HARMLESS, ...DECIDED, `${DENIED} write secret #`, 'nonsense #', 'deallocate s1 #', '']

const COPIES = ['copy open #', 'copy open #', 'copy secret #']

const name = fc.constantFrom('', 's1', 's2')
const portal = fc.constantFrom('', 'p1')
const value = fc.constantFrom('a', 'b').map((text) => Buffer.from(text))

/** Parse, Bind, Execute as drivers send them, each with its own text. */
function usual(pool: readonly string[]): fc.Arbitrary<FrontendMessage[]> {
  const parts = fc.record({
    text: sql(pool),
    name,
    portal,
    value,
    maxRows: fc.constantFrom(0, 1, 3),
    describe: fc.nat(3),
  })
  return parts.map(({ text, name: statement, portal: into, value: bound, maxRows, describe: described }) => [
    ...(statement === '' ? [] : [{ kind: 'close', target: 'statement', name: statement } as const]),
    { kind: 'parse', name: statement, sql: text, parameterTypes: [] },
    ...(described === 1 ? [{ kind: 'describe', target: 'statement', name: statement } as const] : []),
    ...(into === '' ? [] : [{ kind: 'close', target: 'portal', name: into } as const]),
    {
      kind: 'bind',
      portal: into,
      statement,
      formats: [],
      parameters: text.endsWith('$1') ? [bound] : [],
      resultFormats: [],
    },
    ...(described === 2 ? [{ kind: 'describe', target: 'portal', name: into } as const] : []),
    { kind: 'execute', portal: into, maxRows },
  ])
}

/** Messages in no order that any driver would choose. */
function odd(pool: readonly string[]): fc.Arbitrary<FrontendMessage[]> {
  return fc
    .oneof(
      fc.record({ kind: fc.constant('parse' as const), name, sql: sql(pool), parameterTypes: fc.constant([]) }),
      fc.record({
        kind: fc.constant('bind' as const),
        portal,
        statement: name,
        formats: fc.constantFrom([], [0 as const], [1 as const]),
        parameters: fc.oneof(fc.constant([]), fc.tuple(value)),
        resultFormats: fc.constant([]),
      }),
      fc.record({ kind: fc.constant('describe' as const), target: fc.constant('statement' as const), name }),
      fc.record({ kind: fc.constant('describe' as const), target: fc.constant('portal' as const), name: portal }),
      fc.record({ kind: fc.constant('execute' as const), portal, maxRows: fc.constantFrom(0, 1) }),
      fc.record({ kind: fc.constant('close' as const), target: fc.constant('statement' as const), name }),
      fc.record({ kind: fc.constant('close' as const), target: fc.constant('portal' as const), name: portal }),
      fc.constant({ kind: 'flush' as const }),
    )
    .map((message) => [message])
}

/** Rows of the client's, sent without waiting for the server to ask; a COPY may fail on them, or be called off. */
function copying(pool: readonly string[]): fc.Arbitrary<Batch> {
  const rows = fc
    .array(fc.constantFrom('row', 'row', 'row', 'bad'), { maxLength: 3 })
    .map((texts) => texts.map((text) => ({ kind: 'copyData' as const, data: Buffer.from(text) })))
  const end = fc.constantFrom({ kind: 'copyDone' as const }, { kind: 'copyFail' as const, reason: 'no' })
  const own = sql(COPIES)
  const around = fc.array(sql(pool), { maxLength: 1 })
  const simple = fc
    .tuple(around, own, around, rows, end)
    .map(([before, text, after, data, last]): Batch => [
      { kind: 'query', sql: [...before, text, ...after].join('; ') },
      ...data,
      last,
    ])
  const extended = fc
    .tuple(own, rows, end, fc.boolean())
    .map(([text, data, last, flush]): Batch => [
      { kind: 'close', target: 'statement', name: 'k' },
      { kind: 'parse', name: 'k', sql: text, parameterTypes: [] },
      { kind: 'close', target: 'portal', name: 'k' },
      { kind: 'bind', portal: 'k', statement: 'k', formats: [], parameters: [], resultFormats: [] },
      { kind: 'execute', portal: 'k', maxRows: 0 },
      ...data,
      ...(flush ? [{ kind: 'flush' } as const] : []),
      last,
      { kind: 'sync' },
    ])
  return fc.oneof(simple, extended)
}

function rawQuery(text: string): ClientStep {
  const writer = new Writer(64)
  encodeFrontend(writer, { kind: 'query', sql: text })
  return { kind: 'raw', bytes: writer.take() }
}

function batch(pool: readonly string[]): fc.Arbitrary<Batch> {
  const query = fc
    .array(sql(pool), { minLength: 1, maxLength: 3 })
    .map((texts): Batch => [{ kind: 'query', sql: texts.join('; ') }])
  const extended = fc
    .array(fc.oneof({ weight: 3, arbitrary: usual(pool) }, { weight: 2, arbitrary: odd(pool) }), { maxLength: 5 })
    .map((steps): Batch => [...steps.flat(), { kind: 'sync' }])
  // A Query where Sync would stand. Whether it is answered, or discarded after an error, nobody waits for.
  const unfinished = fc
    .tuple(fc.array(usual(pool), { minLength: 1, maxLength: 2 }), sql(pool))
    .map(([steps, text]): Batch => [...steps.flat(), rawQuery(text), { kind: 'sync' }])
  const wait = fc.constant<Batch>([{ kind: 'wait' }])
  return fc.oneof(
    { weight: 2, arbitrary: query },
    { weight: 5, arbitrary: extended },
    { weight: 1, arbitrary: unfinished },
    { weight: 1, arbitrary: copying(pool) },
    { weight: 1, arbitrary: wait },
  )
}

const client = (pool: readonly string[]): fc.Arbitrary<Batch> =>
  fc.array(batch(pool), { minLength: 1, maxLength: 6 }).map((batches) => batches.flat())

/** What the protocol forbids, and what is not the protocol. */
const illegal: fc.Arbitrary<ClientStep> = fc.oneof(
  fc.record({ kind: fc.constant('functionCall' as const), functionOid: fc.nat(), rest: fc.constant(Buffer.alloc(4)) }),
  fc.record({ kind: fc.constant('password' as const), body: fc.constant(Buffer.from('x\0')) }),
  fc.record({ kind: fc.constant('copyData' as const), data: fc.constant(Buffer.from('x')) }),
  fc.constantFrom({ kind: 'copyDone' as const }, { kind: 'terminate' as const }),
  fc.record({ kind: fc.constant('query' as const), sql: sql(ANY) }),
  fc.record({
    kind: fc.constant('raw' as const),
    bytes: fc.uint8Array({ maxLength: 12 }).map((each) => Buffer.from(each)),
  }),
)

// How time passes: a turn of the loop for each 1, none for each 0

const rhythm = fc.array(fc.nat(2), { minLength: 1, maxLength: 12 })
function pauses(turns: readonly number[]): () => Promise<void> {
  let at = 0
  return async () => {
    for (let turn = turns[at++ % turns.length] ?? 0; turn > 0; turn -= 1) await new Promise(setImmediate)
  }
}
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate)
}
const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 })
const pace = fc.record({ client: rhythm, engine: rhythm, server: rhythm, buffered: fc.boolean(), up: cuts, down: cuts })
type Pace = typeof pace extends fc.Arbitrary<infer T> ? T : never

// What must hold

/** Whatever client and server do. */
function nothingEscaped({ client: { bytes }, server, engine }: Rig): void {
  expect(Buffer.concat(bytes).includes(CANARY)).toBe(false)
  const allowed = engine.decisions.filter(({ verdict }) => verdict !== 'reject')
  for (const text of server.received) {
    if (text === 'countersign_refused_a_statement' || text === '') continue
    for (const each of text
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part !== '')) {
      expect(allowed.map(({ sql: decided }) => decided)).toContain(each)
    }
  }
  expect(runsWithoutDecision(server.executed, allowed)).toEqual([])
}

/** Each run needs a decision of its own, in order, about that text and those values. */
function runsWithoutDecision(executed: readonly Executed[], allowed: Rig['engine']['decisions']): Executed[] {
  const left = allowed.filter(({ prepareOnly }) => !prepareOnly)
  return executed.filter((run) => {
    const index = left.findIndex((each) => each.sql === run.sql && same(each.parameters, run.parameters))
    left.splice(0, index < 0 ? 0 : index + 1)
    return index < 0
  })
}

/** Of a binary value whose type nobody has told, policy sees that it is one. */
function same(decided: readonly unknown[], run: readonly (string | null)[]): boolean {
  return decided.length === run.length && decided.every((each, index) => each === run[index] || each === '[binary]')
}

/** Every decision that let something go has exactly one outcome, and nothing comes behind the session's end. */
function everythingRecorded({ engine }: Rig): void {
  expect(engine.afterClose).toEqual([])
  expect(engine.closed).toBe(1)
  for (const { id, verdict, outcomes } of engine.decisions) {
    expect([id, outcomes.length]).toEqual([id, verdict === 'reject' ? 0 : 1])
  }
}

/** Told as rows come: a row of a statement whose decision isn't durable yet. */
function watchDurability({ client: watched, engine }: Rig): string[] {
  const early: string[] = []
  watched.onMessage = (message) => {
    if (message.kind !== 'dataRow') return
    const text = message.values[0]?.toString() ?? ''
    const decisions = engine.decisions.filter((each) => each.sql === text && !each.prepareOnly)
    if (!decisions.some(({ durable }) => durable)) early.push(text)
  }
  return early
}

async function play(script: readonly ClientStep[], times: Pace): Promise<Rig & { readonly early: string[] }> {
  const rig = await openRig({
    server: { pause: pauses(times.server), buffered: times.buffered, cuts: times.down },
    pause: pauses(times.engine),
    options: { graceMs: 20_000 }, // a bound on what never happens here
  })
  const early = watchDurability(rig)
  await rig.client.play(script, times.up, pauses(times.client))
  return { ...rig, early }
}

describe('over a server that keeps to the protocol', () => {
  test('what runs was decided, what comes back was decided, and every Sync and Query has its ReadyForQuery', async () => {
    await fc.assert(
      fc.asyncProperty(client(ANY), pace, async (script, times) => {
        const rig = await play(script, times)
        try {
          await goodbye(rig.client)
          await rig.ended
          expect(rig.log).toEqual([])
          expect(rig.client.ready).toBeGreaterThanOrEqual(rig.client.asked)
          expect(rig.client.ready).toBe(rig.server.readies)
          nothingEscaped(rig)
          everythingRecorded(rig)
          expect(rig.early).toEqual([])
          await rig.server.closed
          expect(rig.server.terminated).toBe(true)
        } finally {
          rig.close()
        }
      }),
      RUNS,
    )
  })

  test('where everything is forwarded, the client gets what the server itself would have said', async () => {
    await fc.assert(
      fc.asyncProperty(client(HARMLESS), pace, async (script, times) => {
        const rig = await play(script, times)
        try {
          await goodbye(rig.client)
          expect(rig.log).toEqual([])
          expect(shape(rig.client.received)).toEqual(shape(await directly(script)))
        } finally {
          rig.close()
        }
      }),
      RUNS,
    )
  })
})

/** Until all is answered and the connection has ended. */
async function goodbye(client: ScriptedClient): Promise<void> {
  await client.settled()
  await client.play([{ kind: 'terminate' }], [], () => Promise.resolve())
  await client.ended()
}

/** The same script against the server without a gateway. */
async function directly(script: readonly ClientStep[]): Promise<readonly BackendMessage[]> {
  const [near, far] = await socketPair()
  const alone = new ScriptedClient(near)
  const server = new ScriptedServer(far, QUIET)
  await alone.play(script, [], () => Promise.resolve())
  await goodbye(alone)
  near.destroy()
  far.destroy()
  expect(server.terminated).toBe(true)
  return alone.received
}

/** An error of the gateway's own may be worded otherwise, and may come before what the server would still have said. */
function shape(messages: readonly BackendMessage[]): unknown[] {
  return messages.map((message) => (message.kind === 'errorResponse' ? ['error', message.fields.get('C')] : message))
}

describe('whatever a client does', () => {
  const hostile = fc
    .tuple(client(ANY), fc.array(fc.tuple(fc.nat(), illegal), { minLength: 1, maxLength: 4 }))
    .map(([script, strange]) => {
      const mixed = [...script]
      for (const [at, step] of strange) mixed.splice(at % (mixed.length + 1), 0, step)
      return mixed.filter(({ kind }) => kind !== 'wait')
    })

  test('nothing escapes, and the session ends recorded', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, pace, fc.boolean(), async (script, times, abruptly) => {
        const rig = await play(script, times)
        try {
          if (abruptly) rig.client.destroy()
          else await rig.client.play([{ kind: 'sync' }, { kind: 'terminate' }], [], () => Promise.resolve())
          if (!rig.client.closed) rig.client.destroy()
          await rig.ended
          nothingEscaped(rig)
          everythingRecorded(rig)
          expect(rig.early).toEqual([])
        } finally {
          rig.close()
        }
      }),
      RUNS,
    )
  })
})

function field(tableOid: number, attnum: number, typeOid: number): BackendMessage {
  return {
    kind: 'rowDescription',
    fields: [{ name: 'x', tableOid, attnum, typeOid, typeSize: -1, typeModifier: -1, format: 0 }],
  }
}

describe('whatever a server does', () => {
  const frame = fc.constantFrom<BackendMessage | 'close'>(
    'close',
    { kind: 'dataRow', values: [Buffer.from('x'), Buffer.from(CANARY)] },
    { kind: 'dataRow', values: [] },
    field(16_500, 2, 25),
    field(16_600, 1, 25),
    { kind: 'rowDescription', fields: [] },
    { kind: 'commandComplete', tag: 'SELECT 1' },
    { kind: 'parameterStatus', name: 'TimeZone', value: 'UTC' },
    { kind: 'parameterStatus', name: 'client_encoding', value: 'LATIN1' },
    { kind: 'parameterStatus', name: 'session_authorization', value: 'root' },
    { kind: 'errorResponse', fields: errorFields('XX000', 'out of the blue') },
    { kind: 'errorResponse', fields: new Map([...errorFields('57P01', 'bye'), ['S', 'FATAL'], ['V', 'FATAL']]) },
    { kind: 'readyForQuery', status: 'I' },
    { kind: 'readyForQuery', status: 'T' },
    { kind: 'portalSuspended' },
    { kind: 'parseComplete' },
    { kind: 'noData' },
    { kind: 'copyOutResponse', format: 0, columnFormats: [] },
    { kind: 'copyData', data: Buffer.from(CANARY) },
    { kind: 'functionCallResponse', value: Buffer.from(CANARY) },
    { kind: 'notificationResponse', pid: 1, channel: 'c', payload: CANARY },
    { kind: 'authenticationOk' },
  )
  const outbursts = fc.array(
    fc.record({ after: fc.integer({ min: 1, max: 12 }), says: fc.array(frame, { minLength: 1, maxLength: 3 }) }),
    { minLength: 1, maxLength: 3 },
  )

  test('nothing undecided runs, no row of nobody’s comes through, and the session ends recorded', async () => {
    await fc.assert(
      fc.asyncProperty(client(ANY), pace, outbursts, async (script, times, bursts) => {
        const rig = await openRig({
          server: { pause: pauses(times.server), buffered: times.buffered, cuts: times.down, outbursts: bursts },
          pause: pauses(times.engine),
        })
        try {
          const calm = script.filter(({ kind }) => kind !== 'wait')
          await rig.client.play(calm, times.up, pauses(times.client))
          await rig.client.play([{ kind: 'terminate' }], [], () => Promise.resolve())
          // A server that swallows an answer keeps everybody waiting, as it would without a gateway, until the client leaves.
          await Promise.race([rig.ended, turns(400)])
          rig.client.destroy()
          await rig.ended
          nothingEscaped(rig)
          everythingRecorded(rig)
          expect(rig.client.ready).toBeLessThanOrEqual(
            rig.client.asked + calm.filter(({ kind }) => kind === 'raw').length,
          )
        } finally {
          rig.close()
        }
      }),
      RUNS,
    )
  })
})
