import { expect, test } from 'vitest'
import type { Decision, Principal } from '../../../engine/index.ts'
import { AGENT, APPROVER, openRooms, transfer, type TestRooms } from '../../support/rooms.ts'

/** The transfer as this principal; it doesn't wait. */
function ask(rooms: TestRooms, principal: Principal): Promise<Decision> {
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
