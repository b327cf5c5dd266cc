import { afterAll, beforeAll, expect, test } from 'vitest'
import { pairRun, VICTIMS } from '../../support/pair-run.ts'
import { startPair, type Pair } from '../../support/pair.ts'
import { chooseSeed } from '../../support/seeded-random.ts'

const seed = chooseSeed()
const TIMES = 4
let pair: Pair

beforeAll(async () => {
  pair = await startPair()
})
afterAll(async () => {
  await pair?.[Symbol.asyncDispose]()
})

test(
  `two gateways on one PostgreSQL, either, both, the one that signs and the server killed ${TIMES} times each, lose nothing (COUNTERSIGN_SEED=${seed})`,
  { timeout: 1_800_000 },
  async () => {
    const victims = Array.from({ length: TIMES }, () => VICTIMS).flat()
    const tally = await pairRun(pair, { seed, victims, connections: 6 })
    process.stdout.write(`${JSON.stringify({ kills: victims.length, ...tally })}\n`)
    expect(tally.acknowledged).toBeGreaterThan(victims.length * 10)
    expect(tally.committed).toBeGreaterThan(victims.length)
    expect(tally.inDoubt).toBeGreaterThan(0)
    expect(tally.failovers).toBeGreaterThanOrEqual(TIMES)
  },
)
