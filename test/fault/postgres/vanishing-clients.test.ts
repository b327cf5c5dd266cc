import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLoad } from '../../support/agent-load.ts'
import type { ClientLedger } from '../../support/agent-load.ts'
import { openTap } from '../../support/byte-tap.ts'
import { canariesIn } from '../../support/canaries.ts'
import { direct } from '../../support/direct.ts'
import { answered, judgeEvidence, serverState } from '../../support/kill-run.ts'
import { chooseSeed, seededRandom } from '../../support/seeded-random.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const seed = chooseSeed()
const ROUNDS = 10
let stack: Stack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.stop())

const connections = (): Promise<unknown[][]> =>
  direct(
    stack,
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
  )

test(`clients that vanish in the middle leave nothing open, nothing undecided and nothing done twice (COUNTERSIGN_SEED=${seed})`, async () => {
  const random = seededRandom(seed)
  const ledger: ClientLedger = { acknowledged: new Set(), committed: new Set(), unanswered: new Set() }
  for (let round = 1; round <= ROUNDS; round += 1) {
    const tap = await openTap(stack.line.gateway)
    const load = startLoad(stack, { seed, round, connections: 8, ledger, by: tap })
    await load.begun
    await answered(ledger, ledger.acknowledged.size + random() * 60)
    await sleep(random() * 20)
    await tap.close()
    load.stop()
    await load.ended
    await serverState(stack)
    expect(canariesIn(tap.toClients())).toEqual([])
  }
  // The gateway keeps one connection of its own, for the catalogue.
  await expect.poll(connections, { timeout: 10_000 }).toEqual([['1']])
  await stack.gateway.stop() // what was still being settled is on disk, or the verifier tells
  await judgeEvidence(stack, ledger)
  expect(ledger.acknowledged.size).toBeGreaterThan(100)
})
