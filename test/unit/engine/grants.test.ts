import { expect, onTestFinished, test } from 'vitest'
import type { AccessRequest, GrantAsk, Principal } from '../../../engine/index.ts'
import { rebuiltInput } from '../../../engine/recorded-input.ts'
import { rebuild } from '../../../engine/approvals/index.ts'
import { directoryStore, readRecords, verifyEvidence } from '../../../engine/evidence/index.ts'
import { openDatabase } from '../../../engine/state/index.ts'
import { approvalHistory } from '../../../cli/approval-history.ts'
import { complaintsAbout } from '../../support/record-schema.ts'
import { AGENT, APPROVER, openRooms, request, type TestRooms } from '../../support/rooms.ts'

const OWNER: Principal = { ...APPROVER, id: 'olivia', groups: ['agent-owners'] }
const BEN: Principal = { ...APPROVER, id: 'ben' }

const ASK: GrantAsk = {
  agent: null,
  plane: 'postgres',
  actions: ['postgres.update'],
  resources: ['public.accounts'],
  seconds: 600,
  reason: 'month end',
  break_glass: false,
}

/** UPDATE accounts SET balance = 1. */
function update(rooms: TestRooms, relation = 'public.accounts'): AccessRequest {
  const parts = [{ name: 'balance', labels: [], uses: ['written' as const], values: ['1'] }]
  return request(rooms, {
    kind: 'update',
    action: { name: 'postgres.update', class: 'write' },
    resources: [{ type: 'table', name: relation, labels: [], parts }],
  })
}

async function verdictOn(rooms: TestRooms, principal: Principal = AGENT, relation?: string): Promise<string> {
  const session = rooms.session(principal)
  const asked = { ...update(rooms, relation), principal }
  const decision = await session.decide(asked, { signal: new AbortController().signal, patienceMs: 0 })
  return `${decision.verdict.kind} ${decision.reasons.map(({ rule }) => rule).join(' ')}`
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1)

const REFUSED = 'reject reject-writes'
const LET_THROUGH = 'forward granted-update'
const yes = { by: APPROVER, answer: 'approve', reason: 'month end it is' } as const

test('asked for, given by a person, used many times, until its time is over', async () => {
  await using rooms = await openRooms()
  expect(await verdictOn(rooms)).toBe(REFUSED)
  const asked = await rooms.grants.ask(AGENT, ASK)
  expect(asked).toMatchObject({
    state: 'requested',
    rule: 'grant-on-approval',
    grant: { subject: { id: 'reconciler' } },
  })
  expect(await verdictOn(rooms)).toBe(REFUSED)
  const given = await rooms.ledger.answer(asked.id, yes)
  expect(given).toMatchObject({ state: 'granted', expiresAt: rooms.clock + 600_000 })
  for (let use = 0; use < 3; use += 1) expect(await verdictOn(rooms)).toBe(LET_THROUGH)
  expect(await verdictOn(rooms, AGENT, 'public.transfers')).toBe(REFUSED)
  rooms.clock += 599_999
  expect(await verdictOn(rooms)).toBe(LET_THROUGH)
  rooms.clock += 1
  expect(await verdictOn(rooms)).toBe(REFUSED)
})

test('revoked, it is over at once, in a session that is under way', async () => {
  await using rooms = await openRooms()
  const { id } = await rooms.grants.ask(AGENT, ASK)
  await rooms.ledger.answer(id, yes)
  expect(await verdictOn(rooms)).toBe(LET_THROUGH)
  await expect(rooms.ledger.revoke(id, { by: { ...BEN, groups: [] }, reason: null })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_GROUP',
  })
  expect(await rooms.ledger.revoke(id, { by: OWNER, reason: 'done' })).toMatchObject({ state: 'revoked' })
  expect(await verdictOn(rooms)).toBe(REFUSED)
  await expect(rooms.ledger.revoke(id, { by: OWNER, reason: null })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_STATE',
  })
})

test('is nothing to another agent, at another issuer, through an actor, or once an owner is found to have said yes', async () => {
  await using rooms = await openRooms()
  const { id } = await rooms.grants.ask(AGENT, ASK)
  await rooms.ledger.answer(id, yes)
  expect(rooms.ledger.grantsOf(AGENT)).toHaveLength(1)
  const others = [{ id: 'other' }, { issuer: 'https://elsewhere.example' }, { act: ['bot'] }, { owner: 'ann' }]
  for (const more of others satisfies Partial<Principal>[]) {
    expect(rooms.ledger.grantsOf({ ...AGENT, ...more })).toEqual([])
    expect(await verdictOn(rooms, { ...AGENT, ...more })).toMatch(/^reject/)
  }
})

test('is given by nobody but a person of the group, apart from who asks and who gains', async () => {
  await using rooms = await openRooms()
  const { id } = await rooms.grants.ask(OWNER, { ...ASK, agent: 'reconciler' })
  const refused = [
    [AGENT, 'ERR_APPROVAL_PERSON'],
    [{ ...APPROVER, id: 'reconciler' }, 'ERR_APPROVAL_SELF'],
    [{ ...OWNER, groups: ['payments'] }, 'ERR_APPROVAL_SELF'],
    [{ ...BEN, groups: ['auditors'] }, 'ERR_APPROVAL_GROUP'],
    [{ ...BEN, act: ['bot'] }, 'ERR_APPROVAL_PERSON'],
  ] satisfies readonly (readonly [Principal, string])[]
  for (const [by, code] of refused) {
    await expect(rooms.ledger.answer(id, { ...yes, by })).rejects.toMatchObject({ code })
  }
  expect(rooms.ledger.grantsOf(AGENT)).toEqual([])
})

test('policy refuses what it does not offer: more, everything, a class, a month, another plane, another’s agent', async () => {
  await using rooms = await openRooms()
  const unoffered = [
    { resources: ['public.customers'] },
    { resources: ['*'] },
    { actions: ['write'] },
    { seconds: 2_000_000 },
    { plane: 'sqs' },
    { agent: 'stranger' },
  ] satisfies readonly Partial<GrantAsk>[]
  for (const more of unoffered) {
    await expect(rooms.grants.ask(OWNER, { ...ASK, agent: 'reconciler', ...more })).rejects.toMatchObject({
      code: 'ERR_APPROVAL_REFUSED',
      message: expect.stringMatching(/^refused by policy: /),
    })
  }
  expect(await rooms.ledger.list()).toEqual([])
  expect(rooms.records().filter(({ event }) => event === 'decision.reject')).toHaveLength(unoffered.length)
})

test('a policy without rules for it gives no access, broken glass or not', async () => {
  await using rooms = await openRooms({ bundle: 'policies/dist/allow-all.tar.gz' })
  for (const break_glass of [false, true]) {
    await expect(rooms.grants.ask(OWNER, { ...ASK, agent: 'reconciler', break_glass })).rejects.toMatchObject({
      code: 'ERR_APPROVAL_REFUSED',
    })
  }
  expect(rooms.ledger.grantsOf(AGENT)).toEqual([])
})

test('the same question is one grant, and an open one of many is too many', async () => {
  await using rooms = await openRooms()
  const { id } = await rooms.grants.ask(AGENT, ASK)
  expect(await rooms.grants.ask(AGENT, ASK)).toMatchObject({ id })
  for (let at = 1; at < 20; at += 1) await rooms.grants.ask(AGENT, { ...ASK, reason: `month ${at}` })
  await expect(rooms.grants.ask(AGENT, { ...ASK, reason: 'more' })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_LIMIT',
  })
  await rooms.ledger.revoke(id, { by: AGENT, reason: null })
  expect(await rooms.grants.ask(AGENT, { ...ASK, reason: 'more' })).toMatchObject({ state: 'requested' })
})

test('a broken glass is in force at once, loud, and owes a review that somebody else closes', async () => {
  await using rooms = await openRooms()
  const taken = await rooms.grants.ask(OWNER, {
    ...ASK,
    agent: 'reconciler',
    break_glass: true,
    reason: 'payments stuck',
  })
  expect(taken).toMatchObject({ state: 'granted', answers: [], review: { overdue: false, closed: null } })
  expect(await verdictOn(rooms)).toBe(LET_THROUGH)
  const review = { finding: 'justified', reason: 'incident 42' } as const
  await expect(rooms.ledger.review(taken.id, { ...review, by: OWNER })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_SELF',
  })
  await expect(rooms.ledger.review(taken.id, { ...review, by: APPROVER, reason: ' ' })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_REASON',
  })
  rooms.clock += 86_400_000
  await expect(rooms.ledger.answer(taken.id, yes)).rejects.toMatchObject({ code: 'ERR_APPROVAL_EXPIRED' })
  await expect.poll(async () => (await rooms.ledger.get(taken.id))?.review?.overdue).toBe(true)
  expect(await verdictOn(rooms)).toBe(REFUSED)
  expect(await rooms.ledger.review(taken.id, { ...review, by: APPROVER })).toMatchObject({
    review: { closed: { by: 'ann', finding: 'justified' } },
  })
  await expect(rooms.ledger.review(taken.id, { ...review, by: BEN })).rejects.toMatchObject({
    code: 'ERR_APPROVAL_STATE',
  })
  const events = rooms.records().map(({ event }) => event)
  expect(events.filter((event) => /^(access|breakglass)\./.test(String(event)))).toEqual([
    'breakglass.used',
    'access.expired',
    'breakglass.overdue',
    'breakglass.reviewed',
  ])
})

test('a decision’s record holds the grants that it was taken under, and is taken again from it alike', async () => {
  await using rooms = await openRooms()
  const { id } = await rooms.grants.ask(AGENT, ASK)
  await rooms.ledger.answer(id, yes)
  await verdictOn(rooms)
  await rooms.ledger.revoke(id, { by: APPROVER, reason: null })
  let judged = 0
  for await (const stored of readRecords(rooms.directory, {})) {
    if (stored.record.event !== 'decision.forward') continue
    expect(stored.fields['detail']).toMatchObject({ grants: [id] })
    const again = rebuiltInput(stored)
    if (again.kind !== 'request') throw new Error(again.why)
    expect(JSON.parse(again.input).context.grants).toMatchObject([{ id, approved_by: ['ann'], break_glass: false }])
    judged += 1
  }
  expect(judged).toBe(1)
})

test('evidence alone brings back every grant as it was, verifies, and is of the published schema', async () => {
  await using rooms = await openRooms()
  const one = await rooms.grants.ask(AGENT, ASK)
  await rooms.ledger.answer(one.id, yes)
  const other = await rooms.grants.ask(OWNER, { ...ASK, agent: 'reconciler', break_glass: true })
  await rooms.ledger.review(other.id, { by: BEN, finding: 'unjustified', reason: 'it could have waited' })
  await rooms.ledger.revoke(other.id, { by: APPROVER, reason: 'it could have waited' })
  const expected = await rooms.ledger.list()
  const database = await openDatabase(':memory:')
  onTestFinished(() => database.destroy())
  expect(await rebuild(database, approvalHistory(directoryStore(rooms.directory), null))).toBe(5)
  const rows = await database.selectFrom('approvals').select('document').orderBy('id', 'desc').execute()
  expect(rows.map(({ document }) => JSON.parse(document)).toSorted(byId)).toEqual([...expected].toSorted(byId))
  await rooms.evidence.close()
  expect(rooms.records().flatMap(complaintsAbout)).toEqual([])
  const { findings } = await verifyEvidence(rooms.directory)
  expect(findings.filter(({ severity }) => severity === 'tampered')).toEqual([])
})
