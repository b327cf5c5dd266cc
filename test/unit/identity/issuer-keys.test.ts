import type { RequestListener } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTokenVerifier, type IssuerConfig } from '../../../engine/identity/index.ts'
import { startIdentityProvider } from '../../support/identity-provider.ts'
import { freePort } from '../../support/free-port.ts'
import { encoded, issuerConfig, listen, verifierFor } from './setting.ts'

const HOUR_MS = 3_600_000

const unavailable = (why: RegExp): object =>
  expect.objectContaining({ code: 'ERR_IDENTITY_PROVIDER', retryable: true, message: expect.stringMatching(why) })

describe('a provider that is down', () => {
  it('from the start: refuses every token, says so to readiness, and goes on when it is up', async () => {
    const port = await freePort()
    const elsewhere = await startIdentityProvider({ port })
    const token = await elsewhere.personToken('ann')
    await elsewhere.close()
    const { verifier, clock } = verifierFor(`http://127.0.0.1:${port}`)
    await expect(verifier.ready()).rejects.toEqual(unavailable(/fetch failed.*up and reachable/))
    await expect(verifier.verify(token)).rejects.toEqual(unavailable(/fetch failed/))
    const provider = await startIdentityProvider({ port })
    onTestFinished(() => provider.close())
    clock.ahead += 10_000
    await expect(verifier.verify(await provider.personToken('ann'))).resolves.toMatchObject({ id: 'ann' })
    await verifier.ready()
  })

  it('later: known keys serve on until their age limit, and not a moment longer', async () => {
    const provider = await startIdentityProvider()
    const { verifier, clock } = verifierFor(provider.issuer, { keysMaxAgeSeconds: 3600 })
    const token = await provider.personToken('ann')
    await verifier.verify(token)
    await provider.close()
    clock.ahead = HOUR_MS - 2_000
    await expect(verifier.verify(token)).resolves.toMatchObject({ id: 'ann' })
    await verifier.ready()
    clock.ahead = HOUR_MS + 1_000
    await expect(verifier.verify(token)).rejects.toEqual(unavailable(/can't be had/))
    await expect(verifier.ready()).rejects.toEqual(unavailable(/can't be had/))
  })

  it('is not asked again by every token: one try in ten seconds', async () => {
    const { origin, asked } = await misbehaving((_request, response) => void response.writeHead(500).end())
    const { verifier, clock } = verifierFor(origin)
    const tries = Array.from({ length: 50 }, () => verifier.ready().catch(() => 'refused'))
    expect(await Promise.all(tries)).toEqual(Array.from({ length: 50 }, () => 'refused'))
    await expect(verifier.ready()).rejects.toEqual(unavailable(/answered 500/))
    expect(asked()).toBe(1)
    clock.ahead += 10_001
    await expect(verifier.ready()).rejects.toEqual(unavailable(/answered 500/))
    expect(asked()).toBe(2)
  })
})

describe('rotation', () => {
  it("takes a new key at its first token, and the old key's tokens no more", async () => {
    const before = await startIdentityProvider()
    const port = Number(new URL(before.issuer).port)
    const { verifier, clock } = verifierFor(before.issuer)
    const old = await before.personToken('ann')
    await verifier.verify(old)
    await before.close()
    const after = await startIdentityProvider({ port })
    onTestFinished(() => after.close())
    clock.ahead += 10_000
    await expect(verifier.verify(await after.personToken('ben'))).resolves.toMatchObject({ id: 'ben' })
    await expect(verifier.verify(old)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
  })

  it('lets made-up kids cause one fetch in ten seconds, and refuses them while the provider is down', async () => {
    const provider = await startIdentityProvider()
    const { verifier, clock } = verifierFor(provider.issuer)
    const token = await provider.personToken('ann')
    const forged = await provider.tokenWith({ header: { kid: 'made-up' } })
    await verifier.verify(token)
    await expect(verifier.verify(forged)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
    await provider.close()
    clock.ahead += 10_000
    await expect(verifier.verify(forged)).rejects.toMatchObject({ code: 'ERR_IDENTITY_PROVIDER' })
    await expect(verifier.verify(forged)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
    await expect(verifier.verify(token)).resolves.toMatchObject({ id: 'ann' })
  })
})

describe('a provider that misbehaves', () => {
  it.each<[string, (origin: string) => RequestListener, RegExp]>([
    [
      'answers for another issuer',
      (origin) => json({ issuer: `${origin}/x`, jwks_uri: origin }),
      /about another issuer/,
    ],
    ['has no jwks_uri', (origin) => json({ issuer: origin }), /jwks_uri is neither https/],
    [
      'sends us elsewhere in the clear',
      (origin) => json({ issuer: origin, jwks_uri: 'http://192.0.2.1/' }),
      /jwks_uri/,
    ],
    ['sends us to a file', (origin) => json({ issuer: origin, jwks_uri: 'file:///etc/passwd' }), /jwks_uri/],
    ['redirects', () => (_request, response) => void response.writeHead(302, { location: '/x' }).end(), /can't be had/],
    ['answers no JSON', () => (_request, response) => void response.end('<html>'), /can't be had/],
    ['answers a list', () => json([]), /about another issuer/],
    [
      'answers endlessly',
      () => (_request, response) => void response.end(' '.repeat(600 * 1024)),
      /more than 524288 bytes/,
    ],
    ['publishes no keys', (origin) => json({ issuer: origin, jwks_uri: origin, keys: 'none' }), /key set has no keys/],
    ['publishes nonsense', (origin) => json({ issuer: origin, jwks_uri: origin, keys: [7] }), /malformed/],
  ])('%s: refused', async (_name, answer, why) => {
    const { origin } = await misbehaving((request, response) => answer(origin)(request, response))
    await expect(verifierFor(origin).verifier.ready()).rejects.toEqual(unavailable(why))
  })

  it('publishes a shared secret: refused', async () => {
    const secret = new TextEncoder().encode('a secret that everybody can read')
    const key = { kty: 'oct', k: encoded('a secret that everybody can read'), kid: 'one' }
    const { origin } = await publishing(key)
    const token = await signed(origin, 'HS256', secret)
    await expect(verifierFor(origin).verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_IDENTITY_ALGORITHM' })
    const renamed = `${encoded({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })}.${token.split('.').slice(1).join('.')}`
    await expect(verifierFor(origin).verifier.verify(renamed)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
  })

  it('publishes its private key: refused, and without it the same token is taken', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const leaked = await publishing({ ...(await exportJWK(privateKey)), kid: 'one' })
    const token = await signed(leaked.origin, 'ES256', privateKey)
    await expect(verifierFor(leaked.origin).verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
    const proper = await publishing({ ...(await exportJWK(publicKey)), kid: 'one' })
    const good = await signed(proper.origin, 'ES256', privateKey)
    await expect(verifierFor(proper.origin).verifier.verify(good)).resolves.toMatchObject({ id: 'ann' })
  })

  it('publishes two keys that fit: refused, for who would say which one', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const key = { ...(await exportJWK(publicKey)), kid: 'one' }
    const { origin } = await publishing(key, key)
    const token = await signed(origin, 'ES256', privateKey)
    await expect(verifierFor(origin).verifier.verify(token)).rejects.toMatchObject({ code: 'ERR_IDENTITY_KEY' })
  })
})

describe('configuration', () => {
  it.each<[string, Partial<IssuerConfig>, RegExp]>([
    ['plain http off this host', { issuer: 'http://idp.bank.test' }, /issuers\[0\]\.issuer: expected an https URL/],
    ['no URL', { issuer: 'bank' }, /issuers\[0\]\.issuer: expected an https URL.*found bank/],
    ['a query', { issuer: 'https://idp.test/?a=b' }, /without query/],
    ['no audience', { audience: '' }, /issuers\[0\]\.audience/],
    ['no algorithm', { algorithms: [] }, /issuers\[0\]\.algorithms/],
    ['alg none', { algorithms: ['RS256', 'none'] }, /issuers\[0\]\.algorithms: expected of .* found none/],
    ['a shared secret', { algorithms: ['HS256'] }, /found HS256/],
    ['no lifetime', { maxLifetimeSeconds: 0 }, /maxLifetimeSeconds: expected a number of seconds above 0; found 0/],
    ['an endless lifetime', { maxLifetimeSeconds: Number.POSITIVE_INFINITY }, /maxLifetimeSeconds/],
    ['no age limit', { keysMaxAgeSeconds: Number.NaN }, /keysMaxAgeSeconds/],
  ])('refuses %s', (_name, overrides, message) => {
    const config = issuerConfig('https://idp.bank.test', overrides)
    expect(() => createTokenVerifier([config], { now: Date.now })).toThrow(
      expect.objectContaining({
        name: 'ConfigError',
        code: 'ERR_CONFIG_SHAPE',
        message: expect.stringMatching(message),
      }),
    )
  })

  it('refuses none, and one issuer twice', () => {
    const one = issuerConfig('https://idp.bank.test')
    expect(() => createTokenVerifier([], { now: Date.now })).toThrow(/at least one issuer/)
    expect(() => createTokenVerifier([one, { ...one, audience: 'b' }], { now: Date.now })).toThrow(/each issuer once/)
  })
})

function publishing(...keys: readonly JWK[]): Promise<{ origin: string }> {
  return misbehaving((request, response) => {
    const issuer = `http://${request.headers.host ?? ''}`
    json({ issuer, jwks_uri: issuer, keys })(request, response)
  })
}

function signed(issuer: string, alg: string, key: CryptoKey | Uint8Array): Promise<string> {
  return new SignJWT({ sub: 'ann', aud: 'countersign', iss: issuer })
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: 'one' })
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key)
}

async function misbehaving(answer: RequestListener): Promise<{ origin: string; asked: () => number }> {
  let count = 0
  const { server, origin } = await listen((request, response) => {
    count += 1
    return answer(request, response)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin, asked: () => count }
}

function json(value: unknown): RequestListener {
  return (_request, response) => void response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
}
