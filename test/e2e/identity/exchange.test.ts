import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countersignHere } from '../../support/command.ts'
import { openIdentityDoors, SAML_TYPE, TOKEN_TYPE, type IdentityDoors } from '../../support/identity-doors.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

let doors: IdentityDoors
beforeAll(async () => {
  doors = await openIdentityDoors()
})
afterAll(() => doors?.[Symbol.asyncDispose]())

type Claims = Record<string, unknown>

const samlForm = (subject: string): Record<string, string> => ({
  subject_token: subject,
  subject_token_type: SAML_TYPE,
})
const form = (subject: string, actor: string): Record<string, string> => ({
  subject_token: subject,
  subject_token_type: TOKEN_TYPE,
  actor_token: actor,
  actor_token_type: TOKEN_TYPE,
})

/** ann's token, which says who may act for her. */
const ann = (claims: Claims = {}): Promise<string> =>
  doors.provider.tokenWith({
    subject: 'ann',
    claims: { jti: crypto.randomUUID(), may_act: { sub: 'reconciler' }, ...claims },
  })
const agent = (claims: Claims = {}): Promise<string> => doors.provider.tokenWith({ subject: 'reconciler', claims })

async function issued(asked: Record<string, string>): Promise<string> {
  const answer = await doors.exchanged(asked)
  expect(answer).toMatchObject({ token_type: 'Bearer', issued_token_type: TOKEN_TYPE })
  return String(answer['access_token'])
}

describe('an assertion exchanged', () => {
  test('for a token that serves at every door, and that anybody can check by the published keys', async () => {
    const token = await issued(
      samlForm(await doors.saml.respond({ attributes: { groups: ['auditors'], kind: ['person'] } })),
    )
    expect([await doors.bearer(token), await doors.password(token)]).toEqual(['let in', 'let in'])
    const metadata: Claims = Object(
      await (await fetch(`${doors.issuer}/.well-known/oauth-authorization-server`)).json(),
    )
    const keys = createRemoteJWKSet(new URL(String(metadata['jwks_uri'])))
    const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: doors.issuer, audience: 'countersign' })
    expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: 'at+jwt' })
    expect(payload).toMatchObject({ sub: 'ann', groups: ['auditors'], origin: doors.saml.provider.issuer })
    expect(Number(payload.exp) - Number(payload.iat)).toBe(900)
  })

  test('is in evidence before it is handed out', async () => {
    const token = await issued(samlForm(await doors.saml.respond({ nameId: 'ben' })))
    const last = (await doors.records()).slice(-2)
    expect(last).toMatchObject([
      { event: 'identity.verified', principal: 'ben' },
      { event: 'credential.issued', principal: 'ben' },
    ])
    expect(decodeJwt(token).sub).toBe('ben')
  })

  test('by the command line', async () => {
    using temporary = temporaryDirectory()
    const file = join(temporary.path, 'assertion')
    await writeFile(file, await doors.saml.respond())
    const args = ['token', '--exchange', '--saml', '--subject-token-file', file, '--api', doors.api]
    const { status, stdout } = await countersignHere(args)
    expect([status, await doors.bearer(stdout.trim())]).toEqual([0, 'let in'])
    const again = await countersignHere(args)
    expect([again.status, again.stderr]).toEqual([77, expect.stringContaining('ERR_IDENTITY_REPLAYED')])
  })
})

describe('delegation', () => {
  test('makes a token of the person, through the agent', async () => {
    const token = await issued(form(await ann(), await doors.provider.agentToken()))
    expect(decodeJwt(token)).toMatchObject({
      sub: 'ann',
      kind: 'agent',
      act: { sub: 'reconciler' },
      owner: 'olivia',
      client_id: 'reconciler',
    })
    expect(await doors.password(token)).toBe('let in')
  })

  test('grows a chain in front, as far as each of its members may', async () => {
    const first = await issued(form(await ann(), await agent()))
    // The provider has no say in the gateway's own tokens, so they name nobody that may act further.
    expect(await doors.exchange(form(first, await doors.provider.tokenWith({ subject: 'planner' })))).toBe(
      'ERR_IDENTITY_DELEGATION',
    )
    const longer = { act: { sub: 'one', act: { sub: 'two' } } }
    expect(decodeJwt(await issued(form(await ann(longer), await agent())))).toMatchObject({
      act: { sub: 'reconciler', act: { sub: 'one', act: { sub: 'two' } } },
    })
  })

  test('lives no longer than either token', async () => {
    const soon = Math.floor(Date.now() / 1000) + 60
    expect(decodeJwt(await issued(form(await ann({ exp: soon }), await agent()))).exp).toBe(soon)
    expect(decodeJwt(await issued(form(await ann(), await agent({ exp: soon })))).exp).toBe(soon)
  })

  test('dies with what it was made of', async () => {
    const subject = await ann({ jti: 'ann-1' })
    const token = await issued(form(subject, await agent({ jti: 'agent-1' })))
    const env = { COUNTERSIGN_API: doors.api, COUNTERSIGN_TOKEN: await doors.provider.personToken('olga') }
    await countersignHere(['revoke', '--token', 'agent-1', '--reason', 'x'], { env })
    expect([await doors.bearer(token), await doors.bearer(subject)]).toEqual(['ERR_IDENTITY_REVOKED', 'let in'])
  })

  test.for([
    ['to whom nobody is named', () => ann({ may_act: undefined }), () => agent()],
    ['to another than is named', () => ann({ may_act: { sub: 'planner' } }), () => agent()],
    [
      'to one of another issuer than is named',
      () => ann({ may_act: { sub: 'reconciler', iss: 'https://x.example' } }),
      () => agent(),
    ],
    ['to whom a text names', () => ann({ may_act: 'reconciler' }), () => agent()],
    ['to a person', () => ann({ may_act: { sub: 'ben' } }), () => doors.provider.personToken('ben')],
    ['to who is delegated already', () => ann(), () => agent({ act: { sub: 'planner' } })],
    ['to oneself', () => agent({ may_act: { sub: 'reconciler' } }), () => agent()],
    ['to who is in the chain', () => ann({ act: { sub: 'reconciler' } }), () => agent()],
    [
      'in a chain of five',
      () => ann({ act: { sub: '1', act: { sub: '2', act: { sub: '3', act: { sub: '4' } } } } }),
      () => agent(),
    ],
  ] as const)('%s is refused, and recorded of who asked', async ([, subject, actor]) => {
    expect(await doors.exchange(form(await subject(), await actor()))).toBe('ERR_IDENTITY_DELEGATION')
    expect((await doors.records()).at(-1)).toMatchObject({
      event: 'identity.rejected',
      code: 'ERR_IDENTITY_DELEGATION',
    })
  })

  test('for a token that the gateway has not checked is none', async () => {
    const forged = (await agent()).replace(/[^.]*$/, 'AAAA')
    expect(await doors.exchange(form(await ann(), forged))).toBe('ERR_IDENTITY_SIGNATURE')
    expect(await doors.exchange(form(forged, await agent()))).toBe('ERR_IDENTITY_SIGNATURE')
  })
})

describe('a request for a token', () => {
  const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const base = { subject_token: 'x', subject_token_type: TOKEN_TYPE }
  test.for([
    ['of another grant type', { ...base, grant_type: 'password' }, 'unsupported_grant_type'],
    ['for another audience', { ...base, audience: 'payroll' }, 'invalid_target'],
    ['for a resource', { ...base, resource: 'https://x.example' }, 'invalid_target'],
    ['with a scope', { ...base, scope: 'admin' }, 'invalid_scope'],
    ['with a parameter that nobody honours', { ...base, policy: 'all' }, 'invalid_request'],
    ['of a type that is not taken', { ...base, subject_token_type: 'urn:x' }, 'invalid_request'],
    ['for a type that is not given', { ...base, requested_token_type: SAML_TYPE }, 'invalid_request'],
    ['with an actor’s type alone', { ...base, actor_token_type: TOKEN_TYPE }, 'invalid_request'],
    ['of a token alone', base, 'ERR_IDENTITY_DELEGATION'],
  ] as const)('%s', async ([, asked, code]) => {
    expect(await doors.exchange(asked)).toBe(code)
  })

  test('with a parameter that is there twice, and as JSON', async () => {
    const twice = new URLSearchParams([...Object.entries({ grant_type: GRANT, ...base }), ['subject_token', 'y']])
    const answers = [
      await fetch(`${doors.api}/oauth/token`, { method: 'POST', body: twice }),
      await fetch(`${doors.api}/oauth/token`, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      }),
    ]
    expect(await Promise.all(answers.map((answer) => answer.json()))).toMatchObject([
      { error: 'invalid_request' },
      { error: 'invalid_request' },
    ])
  })
})
