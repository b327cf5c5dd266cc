import { createHash, createHmac, createPublicKey } from 'node:crypto'
import { createRemoteJWKSet, exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTokenVerifier, type TokenVerifier } from '../../../engine/identity/index.ts'
import { startIdentityProvider, type IdentityProvider, type TokenOverrides } from '../../support/identity-provider.ts'
import { encoded, issuerConfig, listen, parts, verifierFor } from './setting.ts'

let provider: IdentityProvider
let verifier: TokenVerifier
beforeAll(async () => {
  provider = await startIdentityProvider()
  verifier = verifierFor(provider.issuer).verifier
})
afterAll(() => provider.close())

const seconds = (): number => Math.floor(Date.now() / 1000)

function refusal(code: string, message: string | RegExp): object {
  return expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) })
}

async function publishedKey(alg: string): Promise<JWK & { readonly kid: string }> {
  const published = createRemoteJWKSet(new URL(`${provider.issuer}/jwks`))
  await published.reload()
  const key = published.jwks()?.keys.find((each) => each.alg === alg)
  if (key?.kid === undefined) throw new Error(`no ${alg} key published`)
  return { ...key, kid: key.kid }
}

describe('forged tokens', () => {
  it('refuses alg none, with and without a signature', async () => {
    const { header, claims, signature } = parts(await provider.personToken('ann'))
    for (const alg of ['none', 'None', 'NONE', '']) {
      const unsigned = `${encoded({ ...header, alg })}.${encoded(claims)}.`
      await expect(verifier.verify(unsigned)).rejects.toEqual(refusal('ERR_IDENTITY_ALGORITHM', /RS256, ES256/))
      await expect(verifier.verify(unsigned + signature)).rejects.toEqual(refusal('ERR_IDENTITY_ALGORITHM', /RS256/))
    }
  })

  it('refuses HS256 over the public key in every spelling an attacker has it in', async () => {
    const { header, claims } = parts(await provider.personToken('ann'))
    const jwk = await publishedKey('RS256')
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const secrets = [
      key.export({ type: 'spki', format: 'pem' }),
      key.export({ type: 'spki', format: 'der' }),
      key.export({ type: 'pkcs1', format: 'pem' }),
      JSON.stringify(jwk),
    ]
    for (const secret of secrets) {
      const signed = `${encoded({ ...header, alg: 'HS256' })}.${encoded(claims)}`
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      await expect(verifier.verify(`${signed}.${mac}`)).rejects.toEqual(
        refusal('ERR_IDENTITY_ALGORITHM', /signed with/),
      )
    }
  })

  it("refuses another key's signature under the provider's own kid", async () => {
    const { claims } = parts(await provider.personToken('ann'))
    const { privateKey } = await generateKeyPair('RS256')
    const { kid } = await publishedKey('RS256')
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid })
      .sign(privateKey)
    await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_SIGNATURE', /not by its issuer's key/))
  })

  it.each(['unknown', '../../dev/null', "' or 1=1 --", 'https://attacker.test/key', ''])(
    'refuses the kid %j',
    async (kid) => {
      const { claims } = parts(await provider.personToken('ann'))
      const { privateKey } = await generateKeyPair('RS256')
      const token = await new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid })
        .sign(privateKey)
      await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_KEY', /no one key that its issuer/))
    },
  )

  it("never follows a header that brings or fetches a key, even when the provider's own signature is right", async () => {
    let fetched = 0
    const { server, origin } = await listen((_request, response) => {
      fetched += 1
      response.end('{"keys":[]}')
    })
    const { publicKey } = await generateKeyPair('RS256')
    const jwk = await exportJWK(publicKey)
    const headers = [{ jku: `${origin}/jwks` }, { x5u: `${origin}/chain` }, { jwk }, { x5c: ['MIIB'] }]
    for (const header of headers) {
      const [name = ''] = Object.keys(header)
      const token = await provider.tokenWith({ header })
      await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_MALFORMED', `header ${name}`))
    }
    server.close()
    expect(fetched).toBe(0)
  })

  it('refuses a header that changes how the rest is to be read', async () => {
    const { header, claims, signature } = parts(await provider.personToken('ann'))
    for (const [name, value] of [
      ['crit', ['exp']],
      ['b64', false],
      ['zip', 'DEF'],
      ['enc', 'A256GCM'],
    ] as const) {
      const token = `${encoded({ ...header, [name]: value })}.${encoded(claims)}.${signature}`
      await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_MALFORMED', `header ${name}`))
    }
  })

  it('refuses one flipped bit anywhere in the signature, the claims or the header', async () => {
    const token = await provider.personToken('ann')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (let at = 0; at < token.length; at += 7) {
      const old = token.charAt(at)
      if (old === '.') continue
      const other = alphabet.charAt(alphabet.indexOf(old) ^ 32) // the group's highest bit: never mere padding
      const flipped = token.slice(0, at) + other + token.slice(at + 1)
      await expect(verifier.verify(flipped), `character ${at}`).rejects.toThrow(/the token/)
    }
  })

  it('refuses a provider of the same shape that nobody configured', async () => {
    const stranger = await startIdentityProvider()
    await expect(verifier.verify(await stranger.personToken('ann'))).rejects.toEqual(
      refusal('ERR_IDENTITY_ISSUER', /is not from http:\/\/127/),
    )
    // and that stranger's signature on a token that names the configured issuer
    const impostor = await stranger.tokenWith({ claims: { iss: provider.issuer } })
    await expect(verifier.verify(impostor)).rejects.toEqual(refusal('ERR_IDENTITY_KEY', /no one key/))
    await stranger.close()
  })

  it("refuses one configured issuer's key for another's token", async () => {
    const other = await startIdentityProvider()
    const both = createTokenVerifier([issuerConfig(provider.issuer), issuerConfig(other.issuer)], { now: Date.now })
    await expect(both.verify(await other.personToken('ann'))).resolves.toMatchObject({ issuer: other.issuer })
    const crossed = await other.tokenWith({ claims: { iss: provider.issuer } })
    await expect(both.verify(crossed)).rejects.toEqual(refusal('ERR_IDENTITY_KEY', /no one key/))
    await other.close()
  })

  it("refuses an algorithm that the provider signs with but this issuer's configuration leaves out", async () => {
    const narrow = verifierFor(provider.issuer, { algorithms: ['RS256'] }).verifier
    const token = await provider.tokenWith({ algorithm: 'ES256' })
    await expect(narrow.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_ALGORITHM', /one of RS256$/))
    await expect(verifier.verify(token)).resolves.toMatchObject({ id: 'ann' })
  })
})

describe('malformed tokens', () => {
  it.each([
    ['', 'three base64url parts'],
    ['a.b', 'three base64url parts'],
    ['a.b.c.d', 'three base64url parts'],
    ['a b.c.d', 'three base64url parts'],
    ['a=.b.c', 'three base64url parts'],
    [`${encoded('nonsense')}.${encoded('{}')}.x`, 'header part that is not JSON'],
    [`${encoded('{}')}.${encoded('[]')}.x`, 'claims part that is not a JSON object'],
    [`${encoded('{}')}.${encoded('null')}.x`, 'claims part that is not a JSON object'],
    [`${encoded('{}')}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.x`, 'claims part that is not JSON'],
    [`${encoded('{"alg":"RS256","alg":"none"}')}.${encoded('{}')}.x`, 'twice in its header part'],
    [`${encoded('{}')}.${encoded('{"sub":"ann","sub":"ben"}')}.x`, 'twice in its claims part'],
    [`${encoded('{}')}.${encoded(String.raw`{"sub":"ann","s\u0075b":"ben"}`)}.x`, 'twice in its claims part'],
    [`${encoded('{}')}.${encoded('{"act":{"sub":"a","sub" : "b"}}')}.x`, 'twice in its claims part'],
    ['x'.repeat(64 * 1024 + 1), 'longer than 65536'],
  ])('refuses %.60j', async (token, message) => {
    await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_MALFORMED', message))
  })

  it('takes the same member in different objects, and what only looks like a member in a string', async () => {
    const token = await provider.tokenWith({
      claims: { a: { b: 1 }, c: { b: 1 }, d: '{"d":1,"d":2}', e: [{ b: 1 }, { b: 2 }] },
    })
    await expect(verifier.verify(token)).resolves.toMatchObject({ id: 'ann' })
  })

  it('refuses a properly signed token that is too long, and judges it before decoding it', async () => {
    const token = await provider.tokenWith({ claims: { padding: 'x'.repeat(64 * 1024) } })
    await expect(verifier.verify(token)).rejects.toEqual(refusal('ERR_IDENTITY_MALFORMED', 'longer than 65536'))
  })

  it.each(['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'JWE', 7, null, undefined])('refuses the typ %j', async (typ) => {
    await expect(verifier.verify(await provider.tokenWith({ header: { typ } }))).rejects.toEqual(
      refusal('ERR_IDENTITY_MALFORMED', 'not of type at\\+jwt or JWT'),
    )
  })

  it.each(['JWT', 'jwt', 'at+JWT', 'application/at+jwt'])('takes the typ %j', async (typ) => {
    await expect(verifier.verify(await provider.tokenWith({ header: { typ } }))).resolves.toMatchObject({ id: 'ann' })
  })

  it('quotes no part of a token in any message', async () => {
    const secret = 'c4nary-in-a-claim'
    const tokens = [
      await provider.tokenWith({ claims: { iss: secret } }),
      await provider.tokenWith({ claims: { aud: secret } }),
      await provider.tokenWith({ claims: { groups: secret } }),
      await provider.tokenWith({ claims: { kind: secret } }),
      `${encoded({ alg: secret })}.${encoded({ iss: provider.issuer })}.x`,
      `${encoded('{}')}.${encoded(`{${secret}`)}.x`,
    ]
    for (const token of tokens) {
      const error: unknown = await verifier.verify(token).catch((caught: unknown) => caught)
      const told = `${String(error)} ${String(error instanceof Error ? error.cause : '')}`
      expect(told).toMatch(/^IdentityError/)
      expect(told).not.toContain(secret)
    }
  })
})

describe('claims that the provider itself signed', () => {
  const skew = 60
  it.each<[string, () => TokenOverrides, string, RegExp]>([
    ['expired', () => ({ claims: { exp: seconds() - skew - 1 } }), 'ERR_IDENTITY_EXPIRED', /get a fresh one/],
    ['issued for another', () => ({ claims: { aud: 'other' } }), 'ERR_IDENTITY_AUDIENCE', /not meant for countersign/],
    ['for nobody', () => ({ claims: { aud: [] } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['for others', () => ({ claims: { aud: ['a', 'b'] } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['for a nested list', () => ({ claims: { aud: [['countersign']] } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['for us and a number', () => ({ claims: { aud: ['countersign', 7] } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['for a prefix of us', () => ({ claims: { aud: 'countersig' } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['for us with a tail', () => ({ claims: { aud: 'countersign ' } }), 'ERR_IDENTITY_AUDIENCE', /not meant/],
    ['from no issuer', () => ({ claims: { iss: undefined } }), 'ERR_IDENTITY_ISSUER', /is not from/],
    [
      'from the issuer with a slash',
      () => ({ claims: { iss: `${provider.issuer}/` } }),
      'ERR_IDENTITY_ISSUER',
      /not from/,
    ],
    ['without exp', () => ({ claims: { exp: undefined } }), 'ERR_IDENTITY_CLAIM', /claim exp must be a number/],
    ['with exp as text', () => ({ claims: { exp: String(seconds() + 9) } }), 'ERR_IDENTITY_CLAIM', /claim exp/],
    ['with iat null', () => ({ claims: { iat: null } }), 'ERR_IDENTITY_CLAIM', /claim iat/],
    ['with a negative iat', () => ({ claims: { iat: -1 } }), 'ERR_IDENTITY_CLAIM', /claim iat/],
    ['with nbf as text', () => ({ claims: { nbf: 'now' } }), 'ERR_IDENTITY_CLAIM', /claim nbf/],
    ['not valid yet', () => ({ claims: { nbf: seconds() + skew + 5 } }), 'ERR_IDENTITY_NOT_YET_VALID', /clocks agree/],
    ['issued in the future', () => ({ claims: { iat: seconds() + skew + 5 } }), 'ERR_IDENTITY_NOT_YET_VALID', /clocks/],
    ['living too long', () => ({ claims: { exp: seconds() + 12 * 3600 + 5 } }), 'ERR_IDENTITY_LIFETIME', /the 43200 s/],
    ['without sub', () => ({ claims: { sub: undefined } }), 'ERR_IDENTITY_CLAIM', /claim sub must be a string/],
    ['with an empty sub', () => ({ claims: { sub: '' } }), 'ERR_IDENTITY_CLAIM', /claim sub/],
    ['with a number for sub', () => ({ claims: { sub: 7 } }), 'ERR_IDENTITY_CLAIM', /claim sub/],
    ['with a line break in sub', () => ({ claims: { sub: 'ann\nben' } }), 'ERR_IDENTITY_CLAIM', /printable/],
    ['with an endless sub', () => ({ claims: { sub: 'x'.repeat(256) } }), 'ERR_IDENTITY_CLAIM', /1 to 255/],
    [
      'with groups as text',
      () => ({ claims: { groups: 'payments' } }),
      'ERR_IDENTITY_CLAIM',
      /claim groups must be a list/,
    ],
    ['with a number among groups', () => ({ claims: { groups: ['a', 1] } }), 'ERR_IDENTITY_CLAIM', /claim groups/],
    ['with roles as an object', () => ({ claims: { roles: { a: 1 } } }), 'ERR_IDENTITY_CLAIM', /claim roles/],
    [
      'with groups elsewhere',
      () => ({ claims: { _claim_names: { groups: 'src' } } }),
      'ERR_IDENTITY_CLAIM',
      /reference/,
    ],
    ['of an unknown kind', () => ({ claims: { kind: 'admin' } }), 'ERR_IDENTITY_CLAIM', /agent, person, workload/],
    ['with an owner that is a list', () => ({ claims: { owner: ['olivia'] } }), 'ERR_IDENTITY_CLAIM', /claim owner/],
    ['with act as text', () => ({ claims: { act: 'olivia' } }), 'ERR_IDENTITY_CLAIM', /claim act/],
    ['with an actor without sub', () => ({ claims: { act: { sub: 'a', act: {} } } }), 'ERR_IDENTITY_CLAIM', /act\.sub/],
    ['with endless actors', () => ({ claims: { act: actors(17) } }), 'ERR_IDENTITY_CLAIM', /at most 16 delegations/],
  ])('refuses a token %s', async (_name, overrides, code, message) => {
    await expect(verifier.verify(await provider.tokenWith(overrides()))).rejects.toEqual(refusal(code, message))
  })

  it('bears clocks that are a minute apart', async () => {
    const late = await provider.tokenWith({ claims: { exp: seconds() - skew + 5 } })
    const early = await provider.tokenWith({ claims: { nbf: seconds() + skew - 5, iat: seconds() + skew - 5 } })
    await expect(verifier.verify(late)).resolves.toMatchObject({ id: 'ann' })
    await expect(verifier.verify(early)).resolves.toMatchObject({ id: 'ann' })
  })

  it('takes a list of audiences that holds ours', async () => {
    const token = await provider.tokenWith({ claims: { aud: ['account', 'countersign'] } })
    await expect(verifier.verify(token)).resolves.toMatchObject({ id: 'ann' })
  })
})

describe('principals', () => {
  it('makes the agent of a client_credentials token', async () => {
    const token = await provider.agentToken()
    const principal = await verifier.verify(token)
    expect(principal).toEqual({
      id: 'reconciler',
      kind: 'agent',
      groups: ['agents'],
      roles: [],
      issuer: provider.issuer,
      act: [],
      owner: 'olivia',
      token_id: expect.stringMatching(/^[\w-]{20,}$/),
      token_digest: createHash('sha256').update(token).digest('hex'),
      expires_at: expect.any(Number),
      issued_at: expect.any(Number),
      client: 'reconciler',
    })
    expect(principal.expires_at - seconds()).toBeGreaterThan(3600)
  })

  it.each([
    ['olivia', ['agent-owners']],
    ['ann', ['payments']],
    ['ben', ['payments']],
    ['axel', ['auditors']],
  ])('makes the person %s', async (id, groups) => {
    const principal = await verifier.verify(await provider.personToken(id))
    expect(principal).toMatchObject({ id, kind: 'person', groups, owner: null, act: [] })
  })

  it.each([
    [{ kind: undefined, sub: 'robot', client_id: 'robot' }, 'agent'],
    [{ kind: undefined, sub: 'robot', client_id: undefined, azp: 'robot' }, 'agent'],
    [{ kind: undefined, sub: 'ann', client_id: 'workbench' }, 'person'],
    [{ kind: undefined, sub: 'ann', client_id: 'workbench', act: { sub: 'robot' } }, 'agent'],
    [{ kind: 'workload', sub: 'batch' }, 'workload'],
    [{ kind: null, sub: 'ann', client_id: 'workbench' }, 'person'],
  ])('tells from %j the kind %s', async (claims, kind) => {
    await expect(verifier.verify(await provider.tokenWith({ claims }))).resolves.toMatchObject({ kind })
  })

  it('flattens the chain of actors, nearest first', async () => {
    const act = { sub: 'robot', act: { sub: 'olivia' } }
    const principal = await verifier.verify(await provider.tokenWith({ claims: { act } }))
    expect(principal.act).toEqual(['robot', 'olivia'])
  })

  it('finds claims by name or by JSON Pointer, and nothing that a token did not bring itself', async () => {
    const claims = {
      groups: '/realm/teams',
      roles: 'https://bank.test/roles',
      kind: 'constructor',
      owner: '/__proto__/x',
    }
    const pointed = verifierFor(provider.issuer, { claims }).verifier
    const token = await provider.tokenWith({
      claims: { realm: { teams: ['a', 'a', 'b'] }, 'https://bank.test/roles': ['teller'] },
    })
    await expect(pointed.verify(token)).resolves.toMatchObject({
      groups: ['a', 'b'],
      roles: ['teller'],
      kind: 'person',
      owner: null,
    })
  })
})

function actors(depth: number): object {
  return depth === 1 ? { sub: 'a' } : { sub: 'a', act: actors(depth - 1) }
}
