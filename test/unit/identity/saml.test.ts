import { expect, test } from 'vitest'
import { createAssertionVerifier } from '../../../engine/identity/index.ts'
import { base64, samlIdentityProvider, signed } from '../../support/saml-provider.ts'

const idp = samlIdentityProvider()

function verifierOf() {
  const used = new Set<string>()
  return createAssertionVerifier([idp.provider], {
    now: Date.now,
    taken: [],
    use: async ({ digest }) => !used.has(digest) && used.add(digest).size > 0,
  })
}

test('a response that samlify’s identity provider has signed makes a principal, once', async () => {
  const verifier = verifierOf()
  const response = await idp.respond({ attributes: { groups: ['payments', 'treasury'], kind: ['person'] } })
  const { principal, spent } = await verifier.verify(response)
  expect(spent.forgetAt).toBeGreaterThan(Date.now())
  expect(principal).toMatchObject({
    id: 'ann',
    kind: 'person',
    groups: ['payments', 'treasury'],
    issuer: idp.provider.issuer,
    act: [],
    owner: null,
  })
  await expect(verifier.verify(response)).rejects.toMatchObject({ code: 'ERR_IDENTITY_REPLAYED' })
})

test('an assertion alone, as RFC 8693 has it, in base64url', async () => {
  const assertion = signed(idp.assertion({ nameId: 'ben' }), { key: idp.key })
  expect(await verifierOf().verify(Buffer.from(assertion).toString('base64url'))).toMatchObject({
    principal: { id: 'ben' },
  })
  expect(await verifierOf().verify(base64(assertion))).toMatchObject({ principal: { id: 'ben' } })
})
