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

// The long form is test/fault/postgres/kill.test.ts.
test(`a gateway that is killed under load has lost nothing that it acknowledged (COUNTERSIGN_SEED=${seed})`, async () => {
  const { acknowledged, committed } = await killRun(stack, { seed, kills: 1, connections: 6 })
  expect(acknowledged).toBeGreaterThan(10)
  expect(committed).toBeGreaterThan(0)
})
