import { readFileSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loginCommand } from '../../../cli/login.ts'
import { tokenCommand } from '../../../cli/token.ts'
import { FormBrowser } from '../../support/form-browser.ts'
import { PLANNER_KEY, startIdentityProvider, type IdentityProvider } from '../../support/identity-provider.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { verifierFor } from '../identity/setting.ts'

let provider: IdentityProvider
beforeAll(async () => {
  provider = await startIdentityProvider()
})
afterAll(() => provider.close())

let home: string
beforeEach(() => {
  const temporary = temporaryDirectory()
  home = temporary.path
  return () => temporary[Symbol.dispose]()
})

type Command = typeof loginCommand

/** Runs a command; what it prints is at hand while it runs. */
function run(command: Command, argv: readonly string[], aheadMs = 0) {
  const told = { stdout: '', stderr: '' }
  const io = {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    now: () => Date.now() + aheadMs,
    env: { HOME: home, COUNTERSIGN_ISSUER: provider.issuer, COUNTERSIGN_RESOURCE: provider.resource },
  }
  return { told, exit: command(argv, io) }
}

async function seen(told: { readonly stderr: string }, pattern: RegExp): Promise<string> {
  await expect.poll(() => told.stderr).toMatch(pattern)
  return pattern.exec(told.stderr)?.[1] ?? ''
}

const kept = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(home, '.config/countersign/signed-in.json'), 'utf8'))
const who = (token: unknown) => verifierFor(provider.issuer).verifier.verify(String(token))

describe('countersign login', () => {
  test('by a browser: authorization code with PKCE, back to loopback; the token is its owner’s alone to read', async () => {
    const { told, exit } = run(loginCommand, ['--client-id', 'cli'])
    const address = await seen(told, /browser on this machine:\n(\S+)/)
    const landing = new URL(address).searchParams.get('redirect_uri') ?? ''
    expect(await new FormBrowser().walk(address, { name: 'ann' }, landing)).toMatch(/close this page/)
    expect([await exit, told.stdout]).toEqual([0, expect.stringMatching(/^Signed in as ann until 20/)])
    expect(await who(kept()['token'])).toMatchObject({ id: 'ann', kind: 'person', client: 'cli' })
    expect(statSync(join(home, '.config/countersign/signed-in.json')).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, '.config/countersign')).mode & 0o777).toBe(0o700)
  })

  test('by a code that is entered elsewhere, and out again', async () => {
    const { told, exit } = run(loginCommand, ['--client-id', 'cli', '--device'])
    const address = await seen(told, /or open (\S+)/)
    await new FormBrowser().walk(address, { name: 'ben' })
    expect([await exit, told.stdout]).toEqual([0, expect.stringMatching(/^Signed in/)])
    expect(await who(kept()['token'])).toMatchObject({ id: 'ben' })
    const out = run(loginCommand, ['--out'])
    expect([await out.exit, out.told.stdout]).toEqual([0, 'The token is gone.\n'])
  })

  test('whoever answers with another state gets no token', async () => {
    const { told, exit } = run(loginCommand, ['--client-id', 'cli'])
    const address = new URL(await seen(told, /browser on this machine:\n(\S+)/))
    const landing = address.searchParams.get('redirect_uri') ?? ''
    await fetch(`${landing}?code=stolen&state=mine&iss=${encodeURIComponent(provider.issuer)}`)
    expect([await exit, told.stderr]).toEqual([69, expect.stringMatching(/identity provider/)])
    expect(() => kept()).toThrow(/ENOENT/)
  })

  test('a provider that isn’t there, and one in the clear', async () => {
    const away = run(loginCommand, ['--client-id', 'cli', '--issuer', 'http://127.0.0.1:1'])
    expect([await away.exit, away.told.stderr]).toEqual([69, expect.stringContaining('identity provider')])
    const clear = run(loginCommand, ['--client-id', 'cli', '--issuer', 'http://idp.bank.example'])
    expect([await clear.exit, clear.told.stderr]).toEqual([64, expect.stringContaining('https')])
  })
})

const signIn = async (scope = 'openid offline_access'): Promise<void> => {
  const { told, exit } = run(loginCommand, ['--client-id', 'cli', '--scope', scope])
  const address = await seen(told, /browser on this machine:\n(\S+)/)
  await new FormBrowser().walk(address, { name: 'ann' }, new URL(address).searchParams.get('redirect_uri') ?? '')
  expect(await exit).toBe(0)
}

describe('a token that is over', () => {
  const LATER_MS = 5 * 3_600_000

  test('is renewed in silence, once for all who ask at the same time', async () => {
    await signIn()
    const { token, refresh_token: first } = kept()
    const before = run(tokenCommand, [])
    expect([await before.exit, before.told.stdout.trim()]).toEqual([0, token])
    const asked = [1, 2, 3].map(() => run(tokenCommand, [], LATER_MS))
    expect(await Promise.all(asked.map(({ exit }) => exit))).toEqual([0, 0, 0])
    const got = new Set(asked.map(({ told }) => told.stdout.trim()))
    expect([got.size, got.has(String(token))]).toEqual([1, false])
    expect(await who(kept()['token'])).toMatchObject({ id: 'ann', kind: 'person' })
    expect(kept()['refresh_token']).not.toBe(first) // rotated: the one before is no good any more
  })

  test('until the provider says no: then it is told, and not asked again', async () => {
    await signIn()
    const file = join(home, '.config/countersign/signed-in.json')
    await writeFile(file, JSON.stringify({ ...kept(), refresh_token: 'taken-back' }))
    const refused = run(tokenCommand, [], LATER_MS)
    expect([await refused.exit, refused.told.stderr]).toEqual([77, expect.stringMatching(/invalid_grant/)])
    expect(refused.told.stderr + refused.told.stdout).not.toContain('taken-back')
    expect(kept()).not.toHaveProperty('refresh_token')
    const again = run(tokenCommand, [], LATER_MS)
    expect([await again.exit, again.told.stderr]).toEqual([64, expect.stringContaining('sign in again')])
  })

  test('with a provider that is away: the token serves to its end, and no longer', async () => {
    await signIn()
    const file = join(home, '.config/countersign/signed-in.json')
    await writeFile(file, JSON.stringify({ ...kept(), issuer: 'http://127.0.0.1:1' }))
    const lastMs = Number(kept()['expires_at']) * 1000 - Date.now() - 10_000
    expect(await run(tokenCommand, [], lastMs).exit).toBe(0)
    expect(await run(tokenCommand, [], LATER_MS).exit).toBe(69)
    expect(kept()).toHaveProperty('refresh_token')
  })

  test('without a refresh token is over; and who signs out gives a refresh token back', async () => {
    await signIn('openid')
    expect(await run(tokenCommand, [], LATER_MS).exit).toBe(64)
    await signIn()
    const before = kept()
    expect(await run(loginCommand, ['--out']).exit).toBe(0)
    await writeFile(join(home, '.config/countersign/signed-in.json'), JSON.stringify(before))
    expect(await run(tokenCommand, [], LATER_MS).exit).toBe(77)
  })
})

describe('countersign token', () => {
  test('of an agent that has a secret, printed', async () => {
    const file = join(home, 'secret')
    await writeFile(file, 'reconciler-secret\n')
    const { told, exit } = run(tokenCommand, ['--client-id', 'reconciler', '--client-secret-file', file])
    expect(await exit).toBe(0)
    expect(await who(told.stdout.trim())).toMatchObject({ id: 'reconciler', kind: 'agent', owner: 'olivia' })
  })

  test('of an agent that has a key (private_key_jwt), into a file', async () => {
    const [key, out] = [join(home, 'planner.pem'), join(home, 'token')]
    await writeFile(key, PLANNER_KEY)
    await writeFile(out, 'the one before')
    const { told, exit } = run(tokenCommand, ['--client-id', 'planner', '--private-key', key, '--out', out, '--json'])
    expect([await exit, JSON.parse(told.stdout)]).toEqual([0, { file: out, expires_in: 14_400 }])
    expect(await who((await readFile(out, 'utf8')).trim())).toMatchObject({ id: 'planner', kind: 'agent' })
    expect(statSync(out).mode & 0o777).toBe(0o600)
  })

  test('a wrong secret, and no secret', async () => {
    const file = join(home, 'secret')
    await writeFile(file, 'guessed')
    const wrong = run(tokenCommand, ['--client-id', 'reconciler', '--client-secret-file', file])
    expect([await wrong.exit, wrong.told.stderr]).toEqual([77, expect.stringContaining('invalid_client')])
    const none = run(tokenCommand, ['--client-id', 'reconciler'])
    expect([await none.exit, none.told.stderr]).toEqual([64, expect.stringContaining('--client-secret-file')])
  })
})
