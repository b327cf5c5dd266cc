import { describe, expect, test } from 'vitest'
import type { HoldNotice } from '../../../engine/plane.ts'
import { AGENT, APPROVER, openRooms, request, transfer } from '../../support/rooms.ts'

const never = new AbortController().signal
const noWait = { signal: never, patienceMs: 0 }
const wait = { signal: never, patienceMs: 60_000 }

const ssn = { name: 'ssn', labels: ['pii'], uses: ['output'] as const }
const customers = { type: 'table', name: 'public.customers', labels: [], parts: [ssn] }

describe('decide', () => {
  test('records the intent before it resolves, with verdict, rule, controls and policy', async () => {
    await using rooms = await openRooms()
    const decision = await rooms.session().decide(request(rooms, { resources: [customers] }), noWait)
    expect(decision.verdict).toEqual({ kind: 'mask', fields: [{ field: 'public.customers.ssn', method: 'last4' }] })
    expect(decision.controls.length).toBeGreaterThan(0)
    expect(rooms.records().at(-1)).toMatchObject({
      event: 'decision.mask',
      decision: decision.id,
      verdict: 'mask',
      policy: rooms.policy.current().reference,
      principal: { id: 'reconciler', owner: 'olivia' },
    })
  })

  test('a rejection is durable before the plane hears of it, also for a request declared free of effects', async () => {
    await using rooms = await openRooms()
    const destroy = request(rooms, { kind: 'delete', action: { name: 'postgres.delete', class: 'destroy' } })
    const decision = await rooms.session().decide(destroy, { ...noWait, effectFree: true })
    expect(decision.verdict.kind).toBe('reject')
    expect(rooms.records().at(-1)).toMatchObject({ event: 'decision.reject', decision: decision.id })
  })

  test('a token that has expired in mid-session rejects', async () => {
    await using rooms = await openRooms()
    const session = rooms.session({ ...AGENT, expires_at: Math.floor(rooms.clock / 1000) + 60 })
    expect((await session.decide(request(rooms), noWait)).verdict.kind).toBe('forward')
    rooms.clock += 61_000
    const decision = await session.decide(request(rooms), noWait)
    expect(decision.reasons).toEqual([expect.objectContaining({ rule: 'token_expired' })])
    expect(decision.verdict.kind).toBe('reject')
  })

  test('labels of another revision are stale: nothing is decided on them', async () => {
    await using rooms = await openRooms()
    await expect(rooms.session().decide(request(rooms, { labels_revision: 'older' }), noWait)).rejects.toMatchObject({
      code: 'ERR_OBLIGATION_STALE',
      retryable: true,
    })
  })

  test('a plane without an entrypoint in the bundle is rejected, and the record says why', async () => {
    await using rooms = await openRooms()
    const other = request(rooms)
    const decision = await rooms.session().decide({ ...other, context: { ...other.context, plane: 'kafka' } }, noWait)
    expect(decision.verdict.kind).toBe('reject')
    expect(rooms.records().at(-1)).toMatchObject({ event: 'decision.reject', reasons: [{ rule: 'policy_error' }] })
  })

  test('a mask that the plane cannot carry out, or a hold, rejects', async () => {
    await using rooms = await openRooms()
    const session = rooms.session(AGENT, { maskMethods: ['null'], hold: false, limits: false })
    const masked = await session.decide(request(rooms, { resources: [customers] }), noWait)
    const held = await session.decide(transfer(rooms, '250000'), wait)
    for (const decision of [masked, held]) {
      expect(decision.verdict.kind).toBe('reject')
      expect(decision.reasons[0]?.rule).toBe('obligation_unenforceable')
    }
  })

  test('text that is not Unicode is refused before policy sees it', async () => {
    await using rooms = await openRooms()
    const bad = request(rooms, { parameters: ['\ud800'] })
    await expect(rooms.session().decide(bad, noWait)).rejects.toMatchObject({ code: 'ERR_NORMALIZE_REQUEST' })
  })

  test('a backslash before a u in honest text is no surrogate', async () => {
    await using rooms = await openRooms()
    const good = request(rooms, { parameters: [String.raw`C:\ud800`] })
    expect((await rooms.session().decide(good, noWait)).verdict.kind).toBe('forward')
  })

  test('what meets a label is recorded as the plane masked it, never as it was sent', async () => {
    await using rooms = await openRooms()
    const sent = request(rooms, { parameters: ['900-11-1111'] })
    const recorded = { resources: [], block: { ...sent.block, parameters: ['[masked]'] } }
    await rooms.session().decide({ ...sent, recorded }, noWait)
    expect(JSON.stringify(rooms.records())).not.toContain('900-11-1111')
  })
})

describe('a part of what has happened', () => {
  test('nobody is asked about it: a hold rejects, unless the whole was released from that very hold', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    const whole = await session.decide(request(rooms), noWait)
    const late = await session.decide(transfer(rooms, '250000'), { ...noWait, partOf: whole })
    expect(late).toMatchObject({ verdict: { kind: 'reject' }, reasons: [{ rule: 'too_late_to_hold' }], approval: null })
    expect(rooms.records().some(({ event }) => event === 'approval.requested')).toBe(false)
    const held = await session.decide(transfer(rooms, '250001'), noWait)
    const used = { ...held, approval: { id: 'a', state: 'used' as const } }
    const part = await session.decide(transfer(rooms, '250000'), { ...noWait, partOf: used })
    expect(part).toMatchObject({ verdict: { kind: 'forward' }, reasons: held.reasons })
    const still = await session.decide(transfer(rooms, '250000'), { ...noWait, partOf: held })
    expect(still.verdict.kind).toBe('reject')
  })

  test('what may be listed is what would be let through as it is, and nothing is recorded of it', async () => {
    await using rooms = await openRooms()
    const session = rooms.session({ ...AGENT, expires_at: Math.floor(rooms.clock / 1000) + 60 })
    const before = rooms.records().length
    expect(session.allows(request(rooms))).toBe(true)
    expect(session.allows(request(rooms, { resources: [customers] }))).toBe(false)
    expect(session.allows(transfer(rooms, '250000'))).toBe(false)
    expect(session.allows(request(rooms, { labels_revision: 'older' }))).toBe(false)
    rooms.clock += 61_000
    expect(session.allows(request(rooms))).toBe(false)
    expect(rooms.records()).toHaveLength(before)
  })
})

describe('hold', () => {
  test('is asked, granted by another person, used once, and only then the intent is recorded', async () => {
    await using rooms = await openRooms()
    const asked = Promise.withResolvers<HoldNotice>()
    const deciding = rooms
      .session()
      .decide(transfer(rooms, '250000'), { ...wait, onHold: (notice) => asked.resolve(notice) })
    const { approval } = await asked.promise
    await rooms.ledger.answer(approval, { by: APPROVER, answer: 'approve', reason: 'invoice 17' })
    const decision = await deciding
    expect(decision).toMatchObject({ verdict: { kind: 'forward' }, approval: { id: approval, state: 'used' } })
    const events = rooms.records().map((record) => record['event'])
    expect(events.slice(-5)).toEqual([
      'decision.hold',
      'approval.requested',
      'approval.granted',
      'approval.used',
      'decision.forward',
    ])
    await expect(rooms.ledger.use(approval, 'whatever')).rejects.toMatchObject({ name: 'ApprovalError' })
  })

  test('denied: rejects with the approver’s words', async () => {
    await using rooms = await openRooms()
    const deciding = rooms.session().decide(transfer(rooms, '250000'), {
      ...wait,
      onHold: ({ approval }) =>
        void rooms.ledger.answer(approval, { by: APPROVER, answer: 'deny', reason: 'no invoice' }),
    })
    const decision = await deciding
    expect(decision).toMatchObject({ verdict: { kind: 'reject' }, approval: { state: 'denied' } })
    expect(decision.reasons[0]?.message).toContain('no invoice')
  })

  test('granted, but the request reads differently now: rejected, and the approval is not used', async () => {
    await using rooms = await openRooms()
    const decision = await rooms.session().decide(transfer(rooms, '250000'), {
      ...wait,
      onHold: ({ approval }) => void rooms.ledger.answer(approval, { by: APPROVER, answer: 'approve', reason: 'ok' }),
      again: () => Promise.resolve(transfer(rooms, '950000')),
    })
    expect(decision.reasons[0]?.rule).toBe('changed_since_approval')
    expect(decision.verdict.kind).toBe('reject')
    expect(rooms.records().map((record) => record['event'])).not.toContain('approval.used')
  })

  test('granted, but the token has expired meanwhile: rejected', async () => {
    await using rooms = await openRooms()
    const session = rooms.session({ ...AGENT, expires_at: Math.floor(rooms.clock / 1000) + 60 })
    const decision = await session.decide(transfer(rooms, '250000'), {
      ...wait,
      onHold: ({ approval }) => {
        void rooms.ledger.answer(approval, { by: APPROVER, answer: 'approve', reason: 'ok' })
      },
      again: async () => {
        rooms.clock += 61_000
        return transfer(rooms, '250000')
      },
    })
    expect(decision.verdict.kind).toBe('reject')
    expect(decision.reasons[0]?.rule).toBe('token_expired')
  })

  test('a client that cancels withdraws its question', async () => {
    await using rooms = await openRooms()
    const cancel = new AbortController()
    const decision = await rooms.session().decide(transfer(rooms, '250000'), {
      signal: cancel.signal,
      patienceMs: 60_000,
      onHold: () => cancel.abort(new Error('cancelled')),
    })
    expect(decision.reasons[0]?.rule).toBe('approval_withdrawn')
    expect((await rooms.ledger.list({ state: 'requested' })).length).toBe(0)
  })

  test('a client that is gone leaves its question, and finds the answer when it comes back', async () => {
    await using rooms = await openRooms()
    const gone = new AbortController()
    const onHold = () => gone.abort(new Error('gone'))
    const first = await rooms.session().decide(transfer(rooms, '250000'), { ...wait, gone: gone.signal, onHold })
    expect(first).toMatchObject({ verdict: { kind: 'hold' }, approval: { state: 'requested' } })
    await rooms.ledger.answer(first.approval?.id ?? '', { by: APPROVER, answer: 'approve', reason: 'ok' })
    const second = await rooms.session().decide(transfer(rooms, '250000'), noWait)
    expect(second).toMatchObject({ verdict: { kind: 'forward' }, approval: { id: first.approval?.id, state: 'used' } })
  })

  test('a client without patience gets the question’s id and finds the answer when it comes back', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    const first = await session.decide(transfer(rooms, '250000'), noWait)
    expect(first).toMatchObject({ verdict: { kind: 'hold' }, approval: { state: 'requested' } })
    const id = first.approval?.id ?? ''
    await rooms.ledger.answer(id, { by: APPROVER, answer: 'approve', reason: 'ok' })
    const second = await rooms.session().decide(transfer(rooms, '250000'), noWait)
    expect(second).toMatchObject({ verdict: { kind: 'forward' }, approval: { id, state: 'used' } })
    const third = await session.decide(transfer(rooms, '250000'), noWait)
    expect(third.verdict.kind).toBe('hold')
    expect(third.approval?.id).not.toBe(id)
  })

  test('another amount is another question', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    const first = await session.decide(transfer(rooms, '250000'), noWait)
    await rooms.ledger.answer(first.approval?.id ?? '', { by: APPROVER, answer: 'approve', reason: 'ok' })
    expect((await session.decide(transfer(rooms, '250001'), noWait)).verdict.kind).toBe('hold')
  })
})

describe('two clients at one approval', () => {
  test('one runs, the other is rejected and told why', async () => {
    await using rooms = await openRooms()
    const notices: HoldNotice[] = []
    const bothAsked = Promise.withResolvers<void>()
    const onHold = (notice: HoldNotice): void => {
      notices.push(notice)
      if (notices.length === 2) bothAsked.resolve()
    }
    const decide = () => rooms.session().decide(transfer(rooms, '250000'), { ...wait, onHold })
    const deciding = [decide(), decide()]
    await bothAsked.promise
    expect(notices[0]?.approval).toBe(notices[1]?.approval)
    await rooms.ledger.answer(notices[0]?.approval ?? '', { by: APPROVER, answer: 'approve', reason: 'ok' })
    const decisions = await Promise.all(deciding)
    expect(decisions.map((decision) => decision.verdict.kind).toSorted()).toEqual(['forward', 'reject'])
    const rejected = decisions.find((decision) => decision.verdict.kind === 'reject')
    expect(rejected?.reasons[0]?.rule).toBe('approval_used')
  })
})

describe('a disk that says no', () => {
  test('nothing is decided once evidence is closed', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    await rooms.evidence.close()
    await expect(session.decide(request(rooms), noWait)).rejects.toMatchObject({ name: 'EvidenceError' })
  })

  test('a request free of effects is decided at once, but what its answer waits for tells of the failure', async () => {
    await using rooms = await openRooms()
    const session = rooms.session()
    await rooms.evidence.close()
    const decision = await session.decide(request(rooms), { ...noWait, effectFree: true })
    await expect(decision.recorded()).rejects.toMatchObject({ name: 'EvidenceError' })
  })
})
