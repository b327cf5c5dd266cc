import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { accounts, answer, ask, rowsMarked, standing } from './race.ts'
import type { Random } from './seeded-random.ts'
import type { Stack } from './stack.ts'

export interface Gateways {
  readonly all: readonly [Stack, ...Stack[]]
  /** The evidence as it now lies in a directory. */
  evidence(): Promise<string>
  stop(): Promise<void>
}

/** Answers about when the hold is over, on either side; whether the statement was executed. */
export async function expiryTrial({ all }: Gateways, mark: string, random: Random): Promise<boolean> {
  const [first] = all
  const gateway = all[Math.floor(random() * all.length)] ?? first
  const asked = await ask(first, mark)
  const { id } = await asked.held
  const { expiresAt } = await standing(first, id)
  await sleep(Math.max(0, expiresAt - Date.now() - 900 + random() * 950))
  const told = await answer(gateway, id, { token: first.line.principals.approver.token })
  const how = await asked.ended
  const rows = await rowsMarked(first, mark)
  const { state } = await standing(first, id)
  await asked.client.end()
  const executed = 'rows' in how
  expect({ rows, state }, `trial ${JSON.stringify({ told, how })}`).toEqual(
    executed ? { rows: 1, state: 'used' } : { rows: 0, state: 'expired' },
  )
  // Who was told that it is granted may still hear that it then ran out; nobody who was refused hears that it was done.
  if (executed) expect(told).toMatchObject({ status: 200, state: 'granted' })
  else if (told.status !== 200) expect(['ERR_APPROVAL_EXPIRED', 'ERR_APPROVAL_STATE']).toContain(told.code)
  return executed
}

/** Kills the client's gateway a moment after a yes, and holds server, approval and evidence against each other. */
export async function killTrial(
  gateways: Gateways,
  token: string,
  mark: string,
  random: Random,
): Promise<'done' | 'undone' | 'later' | 'doubtful'> {
  const { all } = gateways
  const [victim] = all
  const answering = all[1] ?? victim
  const asked = await ask(victim, mark)
  const { id } = await asked.held
  const said = answer(answering, id, { token }).catch(() => null)
  // Another gateway's answer is seen within a quarter of a second; a gateway's own at once.
  await sleep(random() * (answering === victim ? 250 : 500))
  await victim.gateway.kill9()
  await said
  await asked.ended
  await victim.gateway.restart()
  const { state } = await standing(victim, id)
  const rows = await settledRows(victim, mark)
  const { used, outcomes } = accounts(await gateways.evidence())(mark)
  const context = JSON.stringify({ mark, state, rows, used, outcomes })
  expect(rows, `trial ${context}`).toBeLessThanOrEqual(used.length)
  expect(used.length, `trial ${context}`).toBeLessThanOrEqual(1)
  if (outcomes.includes('outcome.ok')) expect(rows, `trial ${context}`).toBe(1)
  if (state === 'used') {
    // Spent: nothing may come of it any more, whatever became of it.
    const again = await ask(victim, mark)
    const { id: other } = await again.held
    expect(other).not.toBe(id)
    await answer(victim, other, { token, verb: 'deny' })
    expect(await again.ended).toMatchObject({ error: '42501' })
    await again.client.end()
    expect(await rowsMarked(victim, mark), `trial ${context}`).toBe(rows)
    if (rows === 1) return 'done'
    return used.length === 1 ? 'doubtful' : 'undone'
  }
  // Not spent: nothing has happened, and it still happens once.
  expect({ rows, used }, `trial ${context}`).toEqual({ rows: 0, used: [] })
  const again = await ask(victim, mark)
  if (state === 'requested') {
    expect((await again.held).id).toBe(id)
    await answer(answering, id, { token })
  }
  expect(await again.ended, `trial ${context}`).toEqual({ rows: 1 })
  await again.client.end()
  expect(await rowsMarked(victim, mark), `trial ${context}`).toBe(1)
  return 'later'
}

/** Once the server has noticed that the dead gateway's sessions are over. */
async function settledRows(stack: Stack, mark: string): Promise<number> {
  let before = await rowsMarked(stack, mark)
  for (let same = 0; same < 3;) {
    await sleep(100)
    const now = await rowsMarked(stack, mark)
    same = now === before ? same + 1 : 0
    before = now
  }
  return before
}
