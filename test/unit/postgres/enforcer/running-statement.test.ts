import { describe, expect, test } from 'vitest'
import { encodeBackend } from '../../../../planes/postgres/codec/backend-encoder.ts'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'
import { RowMasker } from '../../../../planes/postgres/enforcer/row-masker.ts'
import { type Enforcement, RunningStatement } from '../../../../planes/postgres/enforcer/running-statement.ts'
import { ScriptedEngine } from '../../../support/scripted-engine.ts'
import { request } from '../../../support/rooms.ts'

const SIGNAL = new AbortController().signal
const rooms = { clock: 0, policy: { current: () => ({ reference: { revision: 'r1', digest: '' } }) } }

async function start(changes: Partial<Enforcement> = {}) {
  const engine = new ScriptedEngine(() => Promise.resolve())
  const asked = request({ clock: rooms.clock, policy: Object(rooms.policy) })
  const decision = await engine.decide(asked, { signal: SIGNAL, patienceMs: 0 })
  const running = new RunningStatement({
    session: engine,
    decision,
    columns: 1,
    copy: null,
    takesCopy: false,
    limit: null,
    answerColumns: null,
    masker: null,
    masks: [],
    sensitive: false,
    writes: false,
    resultFormats: [],
    checkFields: () => undefined,
    ...changes,
  })
  const gates: Promise<void>[] = []
  const row = (value: string | null, out = new Writer()): { rebuilt: boolean; frame: Buffer; out: Writer } => {
    const frame = frameOf(value)
    const how = running.row(frame, 0, 5, frame.length, 0, out, (durable) => gates.push(durable))
    return { rebuilt: how === 'rebuilt', frame, out }
  }
  const outcomes = (): unknown => engine.decisions[0]?.outcomes
  return { engine, running, gates, row, outcomes }
}

function frameOf(value: string | null): Buffer {
  const writer = new Writer()
  encodeBackend(writer, { kind: 'dataRow', values: [value === null ? null : Buffer.from(value)] })
  return Buffer.from(writer.take())
}

const masked = (): Partial<Enforcement> => ({
  masker: new RowMasker([{ index: 0, method: 'redact', typeOid: 25, format: 0 }], 1, null),
  masks: [{ field: 'public.customers.ssn', method: 'redact' }],
})

describe('rows', () => {
  test.each([
    [2, /another number of columns/],
    [0, /another number of columns/],
    [null, /returns none/],
  ])('of a statement that was judged to have %s columns', async (columns, message) => {
    const { row } = await start({ columns })
    expect(() => row('x')).toThrowError(
      expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE', message: expect.stringMatching(message) }),
    )
  })

  test('without a body are no rows, whatever lies behind them', async () => {
    const { running } = await start()
    const buffer = Buffer.concat([Buffer.from('D\0\0\0\x04', 'latin1'), Buffer.from([0, 1, 0, 0, 0, 0])])
    expect(() => running.row(buffer, 0, 5, 5, 0, new Writer(), () => undefined)).toThrowError(
      expect.objectContaining({ code: 'ERR_PROTOCOL_MESSAGE' }),
    )
  })

  test('of unknown columns are recorded under the names that the server gives', async () => {
    const { engine, running, row } = await start({ columns: 'any' })
    running.describe([
      { name: 'total', tableOid: 0, attnum: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 },
    ])
    row('12')
    await running.complete('CALL')
    expect(engine.answers).toMatchObject([{ body: { columns: [{ name: 'total' }], rows: [['12']] } }])
  })

  test('are recorded as the client sees them, never as they came', async () => {
    const { engine, running, row } = await start(masked())
    const { rebuilt, frame, out } = row('123-45-6789')
    expect((rebuilt ? out.take() : frame).includes('6789')).toBe(false)
    await running.complete('SELECT 1')
    expect(engine.answers).toHaveLength(1)
    expect(JSON.stringify([engine.frames, engine.answers])).not.toContain('6789')
  })

  test('in numbers go to the recording on the way, and the client waits for that', async () => {
    const { engine, gates, row } = await start()
    for (let count = 0; count < 9; count += 1) row('x'.repeat(1000))
    expect(gates).toHaveLength(1)
    expect(engine.frames).toMatchObject([{ kind: 'sql.rows', decision: 'decision-1' }])
  })
})

describe('the outcome', () => {
  test.each([
    ['SELECT 5', 5],
    ['INSERT 0 7', 7],
    ['SUSPENDED', 1],
  ])('of %s counts %i rows', async (tag, rows) => {
    const { running, row, outcomes } = await start()
    row('x')
    await running.complete(tag)
    expect(outcomes()).toMatchObject([{ status: 'ok', rows, error: null }])
  })

  test('counts what was masked', async () => {
    const { running, row, outcomes } = await start(masked())
    row('123')
    row(null)
    await running.complete('SELECT 2')
    expect(outcomes()).toMatchObject([{ masks: [{ field: 'public.customers.ssn', method: 'redact', count: 1 }] }])
  })

  test('is written once, the first time', async () => {
    const { running, outcomes } = await start()
    await Promise.all([running.fail('22P02'), running.complete('SELECT 1'), running.doubt()])
    expect(outcomes()).toMatchObject([{ status: 'failed', error: '22P02', rows: 0 }])
  })

  test('of what nobody can tell is unknown', async () => {
    const { running, outcomes } = await start()
    await running.doubt()
    expect(outcomes()).toMatchObject([{ status: 'unknown', rows: null }])
  })

  test('tells of a disk that says no', async () => {
    const { engine, running } = await start()
    engine.breakDisk()
    await expect(running.complete('SELECT 1')).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE' })
  })
})

describe('what must be durable before an answer leaves', () => {
  test('is its intent, where a part of it leaves before the rest has come; told once', async () => {
    const { running } = await start()
    const gates: Promise<void>[] = []
    running.flush((durable) => gates.push(durable))
    expect(gates).toHaveLength(0) // nothing of it has come
    running.begin()
    running.flush((durable) => gates.push(durable))
    running.flush((durable) => gates.push(durable))
    expect(gates).toHaveLength(1)
  })

  test('is its outcome, where that is known before anything of it leaves', async () => {
    const { running } = await start()
    const gates: Promise<void>[] = []
    running.begin()
    gates.push(running.fail('22012'))
    running.flush((durable) => gates.push(durable))
    expect(gates).toHaveLength(1)
  })
})
