import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { signerFromSeed, signerText, verifierText } from '../../engine/evidence/index.ts'
import type { NoteSigner, PostgresAddress } from '../../engine/evidence/index.ts'
import { signBundle } from '../../engine/policy/index.ts'
import { issueCertificates } from './certificates.ts'
import type { IdentityProvider } from './identity-provider.ts'
import type { PostgresServer } from './postgres.ts'

export interface StackConfigOptions {
  /** Everything is written beneath it. */
  readonly directory: string
  readonly identity: IdentityProvider
  readonly postgres: PostgresServer
  /** `starter`, `allow-all`, or the path of another bundle. */
  readonly policy: string
  readonly tls: boolean
  readonly port: number
  readonly apiPort: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** `stack` by default. */
  readonly instance?: string
  /** Evidence and state in a database, which several gateways may share; in files by default. */
  readonly store?: PostgresAddress
  /** The log's key, for gateways that share a store; a new one by default. */
  readonly signer?: NoteSigner
  /** The file of the masking key; none by default. */
  readonly maskingKey?: string
  /** Merged over the plane's own section. */
  readonly plane?: Readonly<Record<string, unknown>>
  /** Programs that are told of approvals. */
  readonly webhooks?: readonly object[]
  /** Merged over `identity`. */
  readonly believed?: Readonly<Record<string, unknown>>
  /** `api.sign_in`, where it isn't the OpenID provider. */
  readonly signIn?: Readonly<Record<string, unknown>>
}

export interface StackFiles {
  readonly config: string
  readonly dataDir: string
  /** Path of the CA's certificate where TLS is on. */
  readonly ca: string | null
}

const BUNDLES = new URL('../../policies/dist/', import.meta.url)

/** Writes all that a gateway needs: its configuration, a bundle signed with a key made now, certificates, a secret. */
export async function writeStackFiles(options: StackConfigOptions): Promise<StackFiles> {
  const { directory } = options
  const path = (name: string): string => join(directory, name)
  await mkdir(path('var'), { recursive: true })
  await writeFile(path('upstream.password'), options.postgres.password, { mode: 0o600 })
  await writeBundle(options.policy, directory)
  await writeLogKey(directory, options.signer ?? newLogKey())
  if (options.store !== undefined)
    await writeFile(path('store.password'), options.store.password ?? '', { mode: 0o600 })
  if (options.tls) await writeCertificates(directory)
  await writeStackConfig(options)
  return { config: path('gateway.yaml'), dataDir: path('var'), ca: options.tls ? path('ca.pem') : null }
}

/** The configuration alone: again, once the ports that the gateway got are known, so that it gets them again. */
export async function writeStackConfig(options: StackConfigOptions): Promise<void> {
  await writeFile(join(options.directory, 'gateway.yaml'), stringify(configuration(options)))
}

function configuration(options: StackConfigOptions): object {
  const { postgres, policy, tls, port } = options
  return gatewayConfiguration(options, {
    postgres: {
      listen: { host: '127.0.0.1', port },
      ...(tls ? { tls: { cert: { file: './server.pem' }, key: { file: './server.key' } } } : { plaintext: 'loopback' }),
      upstream: {
        host: postgres.host,
        port: postgres.port,
        user: postgres.user,
        password: { file: './upstream.password' },
        tls: 'off',
      },
      databases: policy === 'allow-all' ? 'any' : [postgres.database],
      ...options.plane,
    },
  })
}

export interface GatewayConfiguration {
  readonly identity: { readonly issuers: readonly object[] }
  readonly [section: string]: unknown
}

/** All of a stack's configuration but its planes. */
export function gatewayConfiguration(
  options: Pick<
    StackConfigOptions,
    'identity' | 'apiPort' | 'logLevel' | 'instance' | 'store' | 'webhooks' | 'believed' | 'signIn' | 'maskingKey'
  >,
  planes: Readonly<Record<string, unknown>>,
): GatewayConfiguration {
  const { identity } = options
  return {
    instance: options.instance ?? 'stack',
    ...storesOf(options.store),
    policy: {
      bundle: './bundle.tar.gz',
      verify: { key: { file: './key.pem' }, algorithm: 'EdDSA', key_id: 'stack' },
      slowest_decision: '5s', // A machine that runs tests runs much else.
      operators: { groups: ['policy-operators'] },
      reviewers: { groups: ['policy-reviewers'] },
    },
    identity: {
      issuers: [
        { issuer: identity.issuer, audience: identity.audience, algorithms: ['RS256', 'ES256'], max_lifetime: '12h' },
      ],
      ...options.believed,
    },
    api: {
      host: '127.0.0.1',
      port: options.apiPort,
      auditors: { groups: ['auditors'] },
      viewers: { groups: ['viewers'] },
      operators: { groups: ['operators'] },
      sign_in: options.signIn ?? { issuer: identity.issuer, client_id: 'console', resource: identity.resource },
    },
    ...(options.maskingKey === undefined ? {} : { masking: { key: { file: options.maskingKey }, key_id: 'tests' } }),
    ...(options.webhooks === undefined ? {} : { webhooks: options.webhooks }),
    planes,
    log: { level: options.logLevel },
  }
}

function storesOf(store: PostgresAddress | undefined): object {
  const log = { key: { file: './log.key' } }
  if (store === undefined) {
    return { evidence: { directory: './var/evidence', log }, state: { file: './var/state.db' } }
  }
  const { host, port, database, user } = store
  const place = { host, port, database, user, password: { file: './store.password' }, tls: 'off' }
  return { evidence: { postgres: place, log }, state: { postgres: place } }
}

export async function writeBundle(policy: string, directory: string): Promise<void> {
  const named = policy === 'starter' || policy === 'allow-all'
  const source = named ? fileURLToPath(new URL(`${policy}.tar.gz`, BUNDLES)) : policy
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signed = await signBundle(await readFile(source), privateKey, 'EdDSA', 'stack')
  await writeFile(join(directory, 'bundle.tar.gz'), signed)
  await writeFile(join(directory, 'bundle.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(join(directory, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
}

/** Another bundle, signed as the stack's own: what its gateway takes over the API. */
export async function signForStack(directory: string, bundle: string): Promise<Uint8Array<ArrayBuffer>> {
  const key = createPrivateKey(await readFile(join(directory, 'bundle.key')))
  return new Uint8Array(await signBundle(await readFile(bundle), key, 'EdDSA', 'stack'))
}

export function newLogKey(): NoteSigner {
  const signer = signerFromSeed('stack.example/log', randomBytes(32))
  if (signer === undefined) throw new Error('a key needs a name without white space')
  return signer
}

/** `log.key` signs checkpoints; `log.pub` is what an auditor brings along. */
export async function writeLogKey(directory: string, signer: NoteSigner): Promise<void> {
  await writeFile(join(directory, 'log.key'), signerText(signer), { mode: 0o600 })
  await writeFile(join(directory, 'log.pub'), verifierText(signer.verifier))
}

export async function writeCertificates(directory: string): Promise<void> {
  const { ca, certificate, key } = issueCertificates(['localhost', '127.0.0.1'])
  await writeFile(join(directory, 'ca.pem'), ca)
  await writeFile(join(directory, 'server.pem'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
}
