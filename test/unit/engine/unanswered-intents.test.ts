import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Outcome } from '../../../engine/index.ts'
import { AGENT, openRooms, request, type TestRooms } from '../../support/rooms.ts'

const free = { signal: new AbortController().signal, patienceMs: 0, effectFree: true }
const OK: Outcome = { status: 'ok', rows: 1, bytes: 12, masks: [], error: null }
const ANSWER = { kind: 'sql.rows', body: { rows: [['Ann']] } }

const eventsOf = (rooms: TestRooms): unknown[] =>
  rooms
    .records()
    .map(({ event }) => event)
    .slice(2) // writer.opened, policy.activated

test('a read that is answered at once is one record, its answer in the payload', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const decision = await session.decide(request(rooms), free)
  await session.settle(decision, OK, ANSWER)
  expect(eventsOf(rooms)).toEqual(['decision.forward'])
  expect(rooms.records().at(-1)).toMatchObject({
    decision: decision.id,
    outcome: { answer: 'sql.rows', status: 'ok', rows: 1 },
    detail: { took_us: expect.any(Number) },
    payload: { bytes: expect.any(Number) },
  })
})

test('one of which a part leaves before the rest has come has a record of its own, and its outcome another', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const decision = await session.decide(request(rooms), free)
  expect(eventsOf(rooms)).toEqual([])
  await decision.recorded()
  expect(eventsOf(rooms)).toEqual(['decision.forward'])
  await session.settle(decision, OK, ANSWER)
  expect(eventsOf(rooms)).toEqual(['decision.forward', 'outcome.ok'])
  expect(rooms.records().at(-1)).toMatchObject({ outcome: { answer: 'sql.rows' }, payload: { bytes: 29 } })
})

test('one that the upstream takes its time for is on disk before it has answered', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const decision = await session.decide(request(rooms), free)
  await expect.poll(() => eventsOf(rooms)).toEqual(['decision.forward'])
  const [{ detail } = {}] = rooms.records().slice(-1)
  expect(Reflect.get(Object(detail), 'waited_us')).toBeGreaterThan(4000)
  await session.settle(decision, { ...OK, status: 'failed', error: '57014' })
  expect(eventsOf(rooms)).toEqual(['decision.forward', 'outcome.failed'])
})

test('one whose end nobody knows is an intent and an outcome.unknown: in doubt for every reader', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const decision = await session.decide(request(rooms), free)
  await session.settle(decision, { ...OK, status: 'unknown', rows: null })
  expect(eventsOf(rooms)).toEqual(['decision.forward', 'outcome.unknown'])
})

test('a frame of its recording comes after its intent', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const decision = await session.decide(request(rooms), free)
  await session.record({ dir: 'upstream', kind: 'sql.rows', decision: decision.id, body: { rows: [] } })
  expect(eventsOf(rooms)).toEqual(['decision.forward'])
})

test('what is decided behind it comes behind it in the log', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const read = await session.decide(request(rooms), free)
  const write = await session.decide(request(rooms), { ...free, effectFree: false })
  const decisions = rooms.records().map(({ decision }) => decision)
  expect(decisions.slice(-2)).toEqual([read.id, write.id])
})

test('what still waits is recorded before the end of its session', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  await session.decide(request(rooms), free)
  await session.close('client closed')
  expect(eventsOf(rooms)).toEqual(['decision.forward', 'session.closed'])
})

test('a request that may be too large for a record is recorded at once, so that it can still be refused', async () => {
  await using rooms = await openRooms()
  const decision = await rooms.session().decide(request(rooms, { parameters: ['x'.repeat(20_000)] }), free)
  expect(rooms.records().at(-1)).toMatchObject({ decision: decision.id })
})

test('an answer that is too large to stand beside its intent has a place of its own', async () => {
  await using rooms = await openRooms()
  const session = rooms.session(AGENT)
  const decision = await session.decide(request(rooms), free)
  await session.settle(decision, OK, { kind: 'sql.rows', body: { rows: [['y'.repeat(200_000)]] } })
  expect(eventsOf(rooms)).toEqual(['decision.forward', 'outcome.ok'])
  expect(rooms.records().at(-1)).not.toHaveProperty('payload') // it is in a frame, by its digest
})

test('a log that fails while it waits fails its answer, at once and later', async () => {
  await using rooms = await openRooms()
  const session = rooms.session()
  const [first, second] = [await session.decide(request(rooms), free), await session.decide(request(rooms), free)]
  await rooms.evidence.close()
  await sleep(20) // the timer has tried to record them by then
  await expect(first.recorded()).rejects.toMatchObject({ name: 'EvidenceError' })
  await expect(session.settle(second, OK)).rejects.toMatchObject({ name: 'EvidenceError' })
})
