import { generateKeyPairSync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { readRecords } from '../../engine/evidence/index.ts'
import { brief, WireClient } from './wire-client.ts'
import { freePort } from './free-port.ts'
import { GatewayProcess } from './gateway-process.ts'
import { startIdentityProvider, type IdentityProvider } from './identity-provider.ts'
import { openSamlPage, type SamlPage } from './saml-page.ts'
import { samlIdentityProvider, type SamlIdentityProvider } from './saml-provider.ts'
import { gatewayConfiguration, newLogKey, writeBundle, writeLogKey } from './stack-config.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** What a door said: `let in`, or the code of its refusal. */
export type Answer = string

export interface Recorded {
  readonly event: string
  readonly code: string | null
  readonly plane: string | null
  readonly principal: string | null
}

/** A gateway with all its doors, and nothing behind them: who comes in finds no server. */
export interface IdentityDoors extends AsyncDisposable {
  readonly provider: IdentityProvider
  readonly saml: SamlIdentityProvider
  /** Where that sends people who sign in to the console. */
  readonly samlPage: SamlPage
  readonly gateway: GatewayProcess
  /** The file of its state. */
  readonly state: string
  /** What the gateway calls itself in its own tokens. */
  readonly issuer: string
  /** PEM of the key that it signs them with. */
  readonly ownKey: string
  readonly api: string
  /** The API, with a bearer token. */
  bearer(token: string): Promise<Answer>
  /** PostgreSQL, with a token as password. */
  password(token: string): Promise<Answer>
  /** Token exchange. The code, or `let in`. */
  exchange(form: Readonly<Record<string, string>>): Promise<Answer>
  /** What token exchange answered. */
  exchanged(form: Readonly<Record<string, string>>): Promise<Record<string, unknown>>
  /** Every record of identity so far. */
  records(): Promise<readonly Recorded[]>
}

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
export const SAML_TYPE = 'urn:ietf:params:oauth:token-type:saml2'

export async function openIdentityDoors(): Promise<IdentityDoors> {
  await using opened = new AsyncDisposableStack()
  const temporary = temporaryDirectory()
  opened.defer(() => temporary[Symbol.dispose]())
  const directory = temporary.path
  const provider = await startIdentityProvider()
  opened.defer(() => provider.close())
  const saml = samlIdentityProvider()
  const samlPage = await openSamlPage(saml)
  opened.defer(() => samlPage[Symbol.asyncDispose]())
  const apiPort = await freePort()
  const issuer = `http://127.0.0.1:${apiPort}`
  const ownKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await mkdir(join(directory, 'var'), { recursive: true })
  await writeBundle('starter', directory)
  await writeLogKey(directory, newLogKey())
  await writeFile(join(directory, 'own.key'), ownKey, { mode: 0o600 })
  await writeFile(join(directory, 'saml.pem'), saml.provider.certificates[0] ?? '')
  await writeFile(
    join(directory, 'gateway.yaml'),
    stringify(configuration({ provider, saml, ssoUrl: samlPage.address, apiPort, issuer })),
  )
  const gateway = await GatewayProcess.start({ config: join(directory, 'gateway.yaml') })
  opened.defer(async () => void (await gateway.stop()))
  const { planes, api } = gateway.listening
  const rest = opened.move()
  const exchanged = async (form: Readonly<Record<string, string>>): Promise<Record<string, unknown>> => {
    const body = new URLSearchParams({ grant_type: GRANT, ...form })
    const response = await fetch(`${api}/oauth/token`, { method: 'POST', body })
    const answer: Record<string, unknown> = Object(await response.json())
    return answer
  }
  return {
    provider,
    saml,
    samlPage,
    gateway,
    state: join(directory, 'var', 'state.db'),
    issuer,
    ownKey,
    api,
    bearer: async (token) => {
      const response = await fetch(`${api}/v1/me`, { headers: { authorization: `Bearer ${token}` } })
      if (response.ok) return 'let in'
      return codeOf(await response.json())
    },
    password: (token) => passwordAt(planes['postgres'] ?? { host: '', port: 0 }, token),
    exchanged,
    exchange: async (form) => {
      const answer = await exchanged(form)
      return 'access_token' in answer ? 'let in' : codeOf(answer)
    },
    records: () => recordsIn(join(directory, 'var', 'evidence')),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}

function configuration(parts: {
  readonly provider: IdentityProvider
  readonly saml: SamlIdentityProvider
  readonly ssoUrl: string
  readonly apiPort: number
  readonly issuer: string
}): object {
  const { provider, saml, ssoUrl, apiPort, issuer } = parts
  const { audience, recipient } = saml.provider
  const believed = {
    saml: [{ issuer: saml.provider.issuer, certificates: [{ file: './saml.pem' }], audience, recipient }],
    exchange: { issuer, audience: provider.audience, key: { file: './own.key' } },
  }
  const upstream = { host: '127.0.0.1', port: 1, user: 'nobody', tls: 'off' }
  return gatewayConfiguration(
    {
      identity: provider,
      apiPort,
      logLevel: 'error',
      believed,
      signIn: { issuer: saml.provider.issuer, sso_url: ssoUrl },
    },
    {
      postgres: { listen: { host: '127.0.0.1', port: 0 }, plaintext: 'loopback', upstream, databases: ['bank'] },
    },
  )
}

/** Whoever is let in hears that no server is there (08006), not that the password was wrong. */
async function passwordAt(address: { readonly host: string; readonly port: number }, token: string): Promise<Answer> {
  const client = await WireClient.connect(address)
  const parameters = new Map([
    ['user', 'anybody'],
    ['database', 'bank'],
  ])
  client.startup({ kind: 'startup', minor: 0, parameters })
  await client.until('authenticationCleartextPassword')
  client.raw(passwordFrame(token))
  const [last] = (await client.untilClosed()).filter(({ kind }) => kind === 'errorResponse')
  if (last?.kind !== 'errorResponse') return 'no answer'
  const hint = last.fields.get('H') ?? ''
  return brief(last) === 'E 08006' ? 'let in' : hint
}

function passwordFrame(token: string): Buffer {
  const body = Buffer.from(`${token}\0`)
  const head = Buffer.alloc(5)
  head.write('p')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function codeOf(answer: unknown): string {
  const { code, error }: { readonly code?: unknown; readonly error?: unknown } = Object(answer)
  return String(code ?? error)
}

async function recordsIn(directory: string): Promise<readonly Recorded[]> {
  const found: Recorded[] = []
  const marks = ['"event":"identity.', '"event":"credential.', '"event":"agent.']
  for await (const { record } of readRecords(directory, { mark: marks })) {
    const { code, plane } = record.detail ?? {}
    const { id }: { readonly id?: unknown } = Object(record.fields['principal'])
    found.push({
      event: record.event,
      code: typeof code === 'string' ? code : null,
      plane: typeof plane === 'string' ? plane : null,
      principal: typeof id === 'string' ? id : null,
    })
  }
  return found
}
