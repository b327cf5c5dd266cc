import { afterAll, describe, expect, test } from 'vitest'
import { DRIVERS } from '../../drivers/driver.ts'
import { type Policy, results, surprising } from '../../drivers/results.ts'
import { openTap } from '../../support/byte-tap.ts'
import { canariesIn } from '../../support/canaries.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { startStack } from '../../support/stack.ts'

/** The others, and all of them with allow-all, are in `npm run drivers`; psql, node-postgres and psycopg have files of their own here too. */
const NAMES = ['postgres.js', 'asyncpg', 'sqlalchemy']
const HERE = DRIVERS.filter(({ name, command }) => NAMES.includes(name) && command() !== null)

describe.each<Policy>(['starter'])('drivers with the policy %s', (policy) => {
  const started = startStack({ policy })
  const tapped = started.then(({ line }) => openTap(line.gateway))
  afterAll(async () => {
    await (await tapped).close()
    await (await started).stop()
  })

  test.each(HERE)(
    '$name sees what the server itself would show it, but for what is masked or refused',
    async (driver) => {
      const stack = await started
      const gateway = { ...stack.line.env, PGPORT: String((await tapped).port) }
      const found = await results(driver, policy, stack, gateway)
      expect(found.length).toBeGreaterThan(8)
      expect(found.filter(surprising)).toEqual([])
    },
  )

  test('no canary has gone to a driver that may not see it, nor into the log', async () => {
    const stack = await started
    expect(canariesIn(Buffer.from(stack.gateway.log))).toEqual([])
    if (policy === 'allow-all') return
    expect((await tapped).toClients().length).toBeGreaterThan(3000)
    expect(canariesIn((await tapped).toClients())).toEqual([])
    expect(canariesIn(evidenceBytes(stack.evidence))).toEqual([])
  })
})
