import { afterAll, beforeAll, expect, test } from 'vitest'
import { killRun } from '../../support/kill-run.ts'
import { chooseSeed } from '../../support/seeded-random.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

const seed = chooseSeed()
let stack: Stack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.stop())

test(`twenty kills under load lose nothing that was acknowledged, and do nothing twice (COUNTERSIGN_SEED=${seed})`, async () => {
  const tally = await killRun(stack, { seed, kills: 20, connections: 8 })
  expect(tally.acknowledged).toBeGreaterThan(200)
  expect(tally.committed).toBeGreaterThan(20)
  expect(tally.inDoubt).toBeGreaterThan(0)
})
