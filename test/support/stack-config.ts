import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { signerFromSeed, signerText, verifierText } from '../../engine/evidence/index.ts'
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
  /** Merged over the plane's own section. */
  readonly plane?: Readonly<Record<string, unknown>>
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
  await writeLogKey(directory)
  if (options.tls) await writeCertificates(directory)
  await writeStackConfig(options)
  return { config: path('gateway.yaml'), dataDir: path('var'), ca: options.tls ? path('ca.pem') : null }
}

/** The configuration alone: again, once the ports that the gateway got are known, so that it gets them again. */
export async function writeStackConfig(options: StackConfigOptions): Promise<void> {
  await writeFile(join(options.directory, 'gateway.yaml'), stringify(configuration(options)))
}

function configuration(options: StackConfigOptions): object {
  const { identity, postgres, policy, tls, port } = options
  return {
    instance: 'stack',
    evidence: { directory: './var/evidence', log: { key: { file: './log.key' } } },
    state: { file: './var/state.db' },
    policy: { bundle: './bundle.tar.gz', verify: { key: { file: './key.pem' }, algorithm: 'EdDSA', key_id: 'stack' } },
    identity: {
      issuers: [
        { issuer: identity.issuer, audience: identity.audience, algorithms: ['RS256', 'ES256'], max_lifetime: '12h' },
      ],
    },
    api: { host: '127.0.0.1', port: options.apiPort, auditors: { groups: ['auditors'] } },
    planes: {
      postgres: {
        listen: { host: '127.0.0.1', port },
        ...(tls
          ? { tls: { cert: { file: './server.pem' }, key: { file: './server.key' } } }
          : { plaintext: 'loopback' }),
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
    },
    log: { level: options.logLevel },
  }
}

async function writeBundle(policy: string, directory: string): Promise<void> {
  const named = policy === 'starter' || policy === 'allow-all'
  const source = named ? fileURLToPath(new URL(`${policy}.tar.gz`, BUNDLES)) : policy
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signed = await signBundle(await readFile(source), privateKey, 'EdDSA', 'stack')
  await writeFile(join(directory, 'bundle.tar.gz'), signed)
  await writeFile(join(directory, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
}

/** `log.key` signs checkpoints; `log.pub` is what an auditor brings along. */
async function writeLogKey(directory: string): Promise<void> {
  const signer = signerFromSeed('stack.example/log', randomBytes(32))
  if (signer === undefined) throw new Error('a key needs a name without white space')
  await writeFile(join(directory, 'log.key'), signerText(signer), { mode: 0o600 })
  await writeFile(join(directory, 'log.pub'), verifierText(signer.verifier))
}

async function writeCertificates(directory: string): Promise<void> {
  const { ca, certificate, key } = issueCertificates(['localhost', '127.0.0.1'])
  await writeFile(join(directory, 'ca.pem'), ca)
  await writeFile(join(directory, 'server.pem'), certificate)
  await writeFile(join(directory, 'server.key'), key, { mode: 0o600 })
}
