import { afterAll, beforeAll, expect, test } from 'vitest'
import { SealedCookies } from '../../../console/sealed-cookies.ts'
import { startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { draft, principal } from '../approvals/setting.ts'
import { openGateway } from './setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

test('a link out of a message asks who comes to sign in, and leads one of them to the approval, once', async () => {
  const gateway = await openGateway(provider)
  const event = { event: 'approval.requested', approval: await gateway.ledger.request(draft()) } as const
  await gateway.outbox.put(event, () => [{ endpoint: 'chat', body: '{"data":{}}' }], Date.now())
  const [notice] = await gateway.outbox.due(Date.now(), 1)
  const follow = (cookie?: string): Promise<Response> =>
    fetch(`${gateway.url}${notice?.path ?? ''}`, {
      redirect: 'manual',
      headers: cookie === undefined ? {} : { cookie: `countersign=${cookie}` },
    })
  // A program that looks at links, as chats do, uses nothing up.
  for (let at = 0; at < 3; at += 1) {
    const unsigned = await follow()
    expect([unsigned.status, unsigned.headers.get('location')]).toEqual([
      302,
      `/console/sign-in?return=${notice?.path}`,
    ])
  }
  expect((await follow('forged')).status).toBe(302)
  const expires = Math.floor(Date.now() / 1000) + 600
  const person = JSON.parse(JSON.stringify(principal('ann', { expires_at: expires })))
  const cookies = new SealedCookies(new Uint8Array(32).fill(7), Date.now)
  const cookie = await cookies.seal('session', { csrf: 'x', principal: person }, expires)
  const first = await follow(cookie)
  expect([first.status, first.headers.get('location')]).toEqual([302, `/console/approvals/${event.approval.id}`])
  const second = await follow(cookie)
  expect(second.status).toBe(410)
  expect(await second.text()).toContain('leads nowhere any more')
})
