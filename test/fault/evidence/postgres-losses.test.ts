import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDatabases, type Databases } from '../../support/databases.ts'
import type { SessionFault } from '../../unit/evidence/failing-sessions.ts'
import { loseAtSteps } from '../../unit/evidence/postgres-losses.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(async () => {
  await databases?.[Symbol.asyncDispose]()
})

test.each<SessionFault>(['before', 'after'])(
  'a database that is lost at any step of append, order and sign, %s its effect, has lost nothing that was acknowledged',
  async (fault) => {
    expect(await loseAtSteps(await databases.create(), fault, { from: 0, every: 1 })).toBeGreaterThan(30)
  },
)
