import { expect, test } from 'vitest'
import { openLedger, rebuild } from '../../../engine/approvals/index.ts'
import { directoryStore } from '../../../engine/evidence/index.ts'
import { approvalHistory } from '../../../cli/approval-history.ts'
import { approvalJournal, type Decision, type Principal } from '../../../engine/index.ts'
import { AGENT, APPROVER, openRooms, transfer, type TestRooms } from '../../support/rooms.ts'

/** The transfer as this principal; it doesn't wait. */
function ask(rooms: Pick<TestRooms, 'policy' | 'clock' | 'session'>, principal: Principal): Promise<Decision> {
  const asked = { ...transfer(rooms, '5.00'), principal }
  return rooms.session(principal).decide(asked, { signal: new AbortController().signal, patienceMs: 0 })
}

test('who turns out to own the agent when it comes for its answer has approved nothing', async () => {
  await using rooms = await openRooms()
  const { approval } = await ask(rooms, AGENT)
  const id = approval?.id ?? ''
  await rooms.ledger.answer(id, { by: APPROVER, answer: 'approve', reason: 'fine' })
  const owned = { ...AGENT, owner: 'ann' }
  const refused = await ask(rooms, owned)
  expect(refused.verdict.kind).toBe('reject')
  expect(await rooms.ledger.get(id)).toMatchObject({ state: 'granted' })
  expect(await ask(rooms, AGENT)).toMatchObject({ verdict: { kind: 'forward' }, approval: { id, state: 'used' } })
})

test('a yes that a killed gateway left in evidence alone releases what it was given to', async () => {
  await using rooms = await openRooms()
  const { approval } = await ask(rooms, AGENT)
  const id = approval?.id ?? ''
  await rooms.ledger.answer(id, { by: APPROVER, answer: 'approve', reason: 'fine' })
  await rooms.ledger.close()
  await rooms.database.deleteFrom('approvals').execute()
  expect(await rebuild(rooms.database, approvalHistory(directoryStore(rooms.directory), null))).toBe(2)
  const ledger = await openLedger(rooms.database, {
    now: () => rooms.clock,
    newId: () => 'another',
    writer: rooms.evidence.writerId,
    journal: approvalJournal(rooms.evidence),
  })
  const again = await ask(
    { policy: rooms.policy, clock: rooms.clock, session: (principal) => rooms.session(principal, undefined, ledger) },
    AGENT,
  )
  expect(again).toMatchObject({ verdict: { kind: 'forward' }, approval: { id, state: 'used' } })
  await ledger.close()
})
