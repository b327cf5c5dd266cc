import { rm } from 'node:fs/promises'
import { createRemoteJWKSet, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openIdentityDoors, SAML_TYPE, TOKEN_TYPE, type IdentityDoors } from '../../support/identity-doors.ts'
import { FORGED_ASSERTIONS } from './forged-assertions.ts'
import { FORGED_TOKENS, type Forge } from './forged-tokens.ts'

let doors: IdentityDoors
let forge: Forge
beforeAll(async () => {
  doors = await openIdentityDoors()
  const { provider, issuer: gateway } = doors
  const [good, other] = await Promise.all([provider.personToken('ann'), provider.personToken('ben')])
  const [rsa, ec] = await Promise.all([publishedKey('RS256'), publishedKey('ES256')])
  const signed: Forge['signed'] = (overrides) => provider.tokenWith(overrides)
  forge = { good, other, issuer: provider.issuer, gateway, rsa, ec, signed }
})
afterAll(() => doors?.[Symbol.asyncDispose]())

async function publishedKey(alg: string): Promise<JWK & { readonly kid: string }> {
  const published = createRemoteJWKSet(new URL(`${doors.provider.issuer}/jwks`))
  await published.reload()
  const key = published.jwks()?.keys.find((each) => each.alg === alg)
  if (key?.kid === undefined) throw new Error(`no ${alg} key published`)
  return { ...key, kid: key.kid }
}

/** What was recorded of refusals since a number of records. */
async function refusedSince(count: number): Promise<readonly unknown[]> {
  return (await doors.records())
    .slice(count)
    .filter(({ event }) => event === 'identity.rejected')
    .map(({ code, plane }) => `${String(plane)} ${String(code)}`)
}

const samlForm = (subject: string): Record<string, string> => ({
  subject_token: subject,
  subject_token_type: SAML_TYPE,
})

test('a good one is let in at every door: what follows is refused for what was forged', async () => {
  expect(await doors.bearer(forge.good)).toBe('let in')
  expect(await doors.password(forge.good)).toBe('let in')
  expect(await doors.exchange(samlForm(await doors.saml.respond()))).toBe('let in')
})

describe('forged tokens, at the API and at PostgreSQL', () => {
  test.for(FORGED_TOKENS)('$name', async ({ code, make }) => {
    const count = (await doors.records()).length
    const token = await make(forge)
    expect([await doors.bearer(token), await doors.password(token)]).toEqual([code, code])
    expect(await refusedSince(count)).toEqual([`api ${code}`, `postgres ${code}`])
  })

  test('one of 100,000 characters', async () => {
    const count = (await doors.records()).length
    const actor = `${'A'.repeat(50_000)}.${'A'.repeat(50_000)}.A`
    const form = {
      subject_token: forge.good,
      subject_token_type: TOKEN_TYPE,
      actor_token: actor,
      actor_token_type: TOKEN_TYPE,
    }
    expect(await doors.exchange(form)).toBe('ERR_IDENTITY_MALFORMED')
    expect(await refusedSince(count)).toEqual(['api ERR_IDENTITY_MALFORMED'])
  })
})

describe('forged assertions, at token exchange', () => {
  test.for(FORGED_ASSERTIONS)('$name', async ({ code, make }) => {
    const count = (await doors.records()).length
    expect(await doors.exchange(samlForm(await make(doors.saml)))).toBe(code)
    expect(await refusedSince(count)).toEqual([`api ${code}`])
  })

  test('one that was used before, also after a restart that finds no state', async () => {
    const response = await doors.saml.respond()
    expect(await doors.exchange(samlForm(response))).toBe('let in')
    expect(await doors.exchange(samlForm(response))).toBe('ERR_IDENTITY_REPLAYED')
    await doors.gateway.kill9()
    for (const end of ['', '-wal', '-shm']) await rm(`${doors.state}${end}`, { force: true })
    await doors.gateway.restart()
    const count = (await doors.records()).length
    expect(await doors.exchange(samlForm(response))).toBe('ERR_IDENTITY_REPLAYED')
    expect(await refusedSince(count)).toEqual(['api ERR_IDENTITY_REPLAYED'])
  })

  test('one that a hundred ask with at once serves one', async () => {
    const response = await doors.saml.respond()
    const answers = await Promise.all(Array.from({ length: 100 }, () => doors.exchange(samlForm(response))))
    expect(answers.filter((answer) => answer === 'let in')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'ERR_IDENTITY_REPLAYED')).toHaveLength(99)
  })
})
