import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startIdentityProvider } from '../../support/identity-provider.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

let stack: Stack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.stop())

async function connect(token: string): Promise<Client> {
  const client = new Client({ ...stack.line.gateway, user: 'reconciler', password: token })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const readiness = async (): Promise<number> => (await fetch(new URL('/readyz', stack.line.api))).status

test('an identity provider that is away when the gateway starts, and comes back with other keys', async () => {
  await stack.identity.close()
  await stack.gateway.stop()
  await stack.gateway.restart()
  expect(await readiness()).toBe(503)
  const refused = { code: '28P01', hint: 'ERR_IDENTITY_PROVIDER' }
  await expect(connect(stack.line.principals.agent.token)).rejects.toMatchObject(refused)

  const back = await startIdentityProvider({ port: Number(new URL(stack.identity.issuer).port) })
  try {
    // It isn't asked again within ten seconds of a failure.
    await expect.poll(readiness, { timeout: 30_000, interval: 200 }).toBe(200)
    const client = await connect(await back.agentToken())
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    // What was signed with the key that is gone proves nothing any more.
    await expect(connect(stack.line.principals.agent.token)).rejects.toMatchObject({ hint: 'ERR_IDENTITY_KEY' })

    // Away again: who is in stays in.
    await back.close()
    expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
    await client.end()
  } finally {
    await back.close()
  }
})
