import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../../../engine/index.ts'
import { backendLimits } from '../../../../planes/postgres/codec/frame-limits.ts'
import { encodeBackend } from '../../../../planes/postgres/codec/backend-encoder.ts'
import type { BackendMessage } from '../../../../planes/postgres/codec/backend-messages.ts'
import { FrameReader } from '../../../../planes/postgres/codec/frame.ts'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'
import { type Enforcement, RunningStatement } from '../../../../planes/postgres/enforcer/running-statement.ts'
import { Backend } from '../../../../planes/postgres/session/backend.ts'
import type { ExpectedReply } from '../../../../planes/postgres/session/expected-replies.ts'
import { Outbox } from '../../../../planes/postgres/session/outbox.ts'
import { Wire } from '../../../../planes/postgres/session/wire.ts'
import { request } from '../../../support/rooms.ts'
import { ScriptedEngine } from '../../../support/scripted-engine.ts'
import { errorFields } from '../../../support/scripted-statements.ts'

const engine = new ScriptedEngine(() => Promise.resolve())
const decision = await engine.decide(request({ clock: 0, policy: Object({ current: () => ({ reference: {} }) }) }), {
  signal: new AbortController().signal,
  patienceMs: 0,
})

function statement(
  how: { columns: number | null; copy: Enforcement['copy'] } = { columns: 1, copy: null },
): RunningStatement {
  return new RunningStatement({
    session: engine,
    decision,
    ...how,
    takesCopy: false,
    limit: null,
    answerColumns: null,
    masker: null,
    masks: [],
    sensitive: false,
    writes: false,
    resultFormats: [],
    checkFields: () => undefined,
  })
}

const naming = { confirm: () => undefined, abandon: () => undefined }
const describeReply = (owesParameters: boolean): ExpectedReply => ({
  kind: 'describe',
  swallow: false,
  owesParameters,
  described: () => undefined,
})
/** What may stand at the head of the line, by name. */
const HEADS: Readonly<Record<string, () => ExpectedReply | null>> = {
  nothing: () => null,
  parse: () => ({ kind: 'parse', naming, prepare: null }),
  bind: () => ({ kind: 'bind', naming }),
  close: () => ({ kind: 'close', naming }),
  'describe statement': () => describeReply(true),
  'describe portal': () => describeReply(false),
  execute: () => ({ kind: 'execute', statement: statement() }),
  empty: () => ({ kind: 'empty' }),
  query: () => ({ kind: 'query', statements: [statement()], next: 0 }),
  ready: () => ({ kind: 'ready' }),
  poison: () => ({ kind: 'poison' }),
}
const field = { name: 'x', tableOid: 0, attnum: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 } as const
const FRAMES: readonly BackendMessage[] = [
  { kind: 'parseComplete' },
  { kind: 'bindComplete' },
  { kind: 'closeComplete' },
  { kind: 'parameterDescription', types: [] },
  { kind: 'rowDescription', fields: [field] },
  { kind: 'noData' },
  { kind: 'dataRow', values: [Buffer.from('x')] },
  { kind: 'commandComplete', tag: 'SELECT 1' },
  { kind: 'emptyQueryResponse' },
  { kind: 'portalSuspended' },
  { kind: 'readyForQuery', status: 'I' },
  { kind: 'errorResponse', fields: errorFields('22P02', 'no') },
  { kind: 'noticeResponse', fields: errorFields('00000', 'hear') },
  { kind: 'parameterStatus', name: 'TimeZone', value: 'UTC' },
  { kind: 'notificationResponse', pid: 1, channel: 'c', payload: 'p' },
  { kind: 'copyInResponse', format: 0, columnFormats: [] },
  { kind: 'copyOutResponse', format: 0, columnFormats: [] },
  { kind: 'copyBothResponse', format: 0, columnFormats: [] },
  { kind: 'copyData', data: Buffer.from('x') },
  { kind: 'copyDone' },
  { kind: 'functionCallResponse', value: null },
  { kind: 'authenticationOk' },
  { kind: 'authenticationCleartextPassword' },
  { kind: 'backendKeyData', pid: 1, secret: Buffer.from('abcd') },
  { kind: 'negotiateProtocolVersion', version: 1, options: [] },
]
/** Legal at any moment. */
const ALWAYS = ['noticeResponse', 'parameterStatus']
/** What each head lets through beside that; everything else ends the session. */
const PASSES: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  parse: ['parseComplete', 'errorResponse'],
  bind: ['bindComplete', 'errorResponse'],
  close: ['closeComplete', 'errorResponse'],
  'describe statement': ['parameterDescription', 'errorResponse'],
  'describe portal': ['rowDescription', 'noData', 'errorResponse'],
  execute: ['dataRow', 'commandComplete', 'portalSuspended', 'errorResponse'],
  empty: ['emptyQueryResponse', 'errorResponse'],
  query: ['rowDescription', 'commandComplete', 'errorResponse'],
  ready: ['readyForQuery', 'errorResponse'],
  poison: [],
}

function setting(...heads: readonly (ExpectedReply | null)[]) {
  const sent: Buffer[] = []
  const sink = { write: (bytes: Uint8Array) => sent.push(Buffer.from(bytes)) > 0, cork() {}, uncork() {}, once() {} }
  const outbox = new Outbox(sink, { highWaterMark: 1e6, onFailure: () => undefined, onRoom: () => undefined })
  const wire = new Wire(outbox, () => undefined, { names: 10, bytes: 1000 })
  for (const head of heads) if (head !== null) wire.expected.push(head)
  const backend = new Backend(wire, {
    catalogueChanged: () => undefined,
    cancel: () => undefined,
    idle: () => undefined,
    protects: () => true,
    parameters: new Map(),
  })
  const reader = new FrameReader({ maxFrameBytes: 1000, limits: backendLimits(1000) })
  const take = (...messages: readonly BackendMessage[]): void => {
    const writer = new Writer()
    for (const message of messages) encodeBackend(writer, message)
    reader.push(Buffer.from(writer.take()))
    backend.take(reader)
  }
  const came = async (): Promise<string> => {
    await outbox.drained()
    return Buffer.concat(sent).toString('latin1').charAt(0)
  }
  return { wire, take, came }
}

/** What becomes of a frame: it reaches the client, it is dropped, or it ends the session with this error. */
async function fate(head: ExpectedReply | null, frame: BackendMessage): Promise<string> {
  const { take, came } = setting(head)
  let ended: string | null = null
  try {
    take(frame)
  } catch (error) {
    ended = error instanceof ProtocolError ? `${error.code}: ${error.message}` : String(error)
  }
  const arrived = await came()
  return ended === null ? (arrived === '' ? 'dropped' : 'passed') : `${ended}${arrived}`
}

describe.each(Object.entries(HEADS))('when %s is owed', (name, head) => {
  const passes = new Set([...ALWAYS, ...(PASSES[name] ?? [])])
  const notOwed =
    /^ERR_PROTOCOL_STATE: the server (sent '.' where nothing of that kind is expected|copies what the statement was not judged to copy)$/

  test.each(FRAMES.map((frame) => [frame.kind, frame] as const))('%s', async (kind, frame) => {
    const dropped = name === 'poison' && kind === 'errorResponse' // ours: we provoked it
    const wanted = passes.has(kind) ? /^passed$/ : dropped ? /^dropped$/ : notOwed
    expect(await fate(head(), frame)).toMatch(wanted)
  })
})

const copy = (): ExpectedReply => ({
  kind: 'execute',
  statement: statement({ columns: null, copy: { columns: 2, binary: false, masker: null } }),
})

describe('a COPY to the client', () => {
  const begin: BackendMessage = { kind: 'copyOutResponse', format: 0, columnFormats: [0, 0] }
  const rows: BackendMessage = { kind: 'copyData', data: Buffer.from('1\tAnn\n') }
  const done: BackendMessage = { kind: 'copyDone' }
  const end: BackendMessage = { kind: 'commandComplete', tag: 'COPY 1' }

  test('goes out as it comes, and is recorded', () => {
    const { wire, take } = setting(copy())
    engine.answers.length = 0
    take(begin, rows, rows, done, end)
    expect(wire.expected.length).toBe(0)
    expect(engine.answers).toMatchObject([
      { kind: 'sql.rows', body: { rows: [['1\tAnn\n'], ['1\tAnn\n']], count: 2, end: 'COPY 1', kept: 'whole' } },
    ])
  })

  test.each([
    ['bytes before it began', [rows]],
    ['bytes behind its end', [begin, done, rows]],
    ['two of them', [begin, begin]],
    ['an end without a beginning', [done]],
    ['a tag in the middle of it', [begin, rows, end]],
    ['a tag in its place', [end]],
    ['rows in its place', [{ kind: 'dataRow', values: [null, null] }]],
    ['rows among its bytes', [begin, { kind: 'dataRow', values: [null, null] }]],
  ] satisfies readonly (readonly [string, readonly BackendMessage[]])[])('%s end the session', (_, messages) => {
    expect(() => setting(copy()).take(...messages)).toThrow(ProtocolError)
  })
})

describe('an error', () => {
  const error: BackendMessage = { kind: 'errorResponse', fields: errorFields('22P02', 'no') }

  test('leaves nothing owed up to ReadyForQuery, and takes our own answers in between with it', () => {
    const { wire, take } = setting(
      { kind: 'bind', naming },
      { kind: 'local', bytes: Buffer.from('x') },
      { kind: 'poison' },
      { kind: 'ready' },
    )
    take(error)
    expect(wire.expected.peek()).toEqual({ kind: 'ready' })
    expect(wire.discarding).toBeNull()
  })

  test('before the Sync was sent makes what still comes be discarded', () => {
    const abandoned: string[] = []
    const { wire, take } = setting({ kind: 'bind', naming })
    take(error)
    expect(wire.discarding).toBe('22P02')
    const late = { confirm: () => undefined, abandon: () => abandoned.push('late') }
    wire.send(Buffer.from('B'), { kind: 'bind', naming: late })
    wire.answer(Buffer.from('local'))
    expect([abandoned, wire.expected.length]).toEqual([['late'], 0])
  })
})
