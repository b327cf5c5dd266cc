import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { SamlProvider } from '../../engine/identity/index.ts'
import { GatewayProcess } from './gateway-process.ts'
import { startIdentityProvider } from './identity-provider.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { startKeeper } from './keeper.ts'
import { ACCOUNT, BANK_QUEUES, type QueueService, REGION, startQueueService } from './queue-service.ts'
import {
  type GatewayConfiguration,
  gatewayConfiguration,
  newLogKey,
  writeBundle,
  writeCertificates,
  writeLogKey,
} from './stack-config.ts'
import { type Principals, principalsOf } from './principals.ts'

export interface SqsStackOptions {
  /** `starter` (default), `allow-all`, or the path of another bundle. */
  readonly policy?: string
  readonly port?: number
  /** `fauxqs` (default), `moto`, or the URL of a service that runs already. */
  readonly upstream?: string
  readonly publicUrl?: string
  readonly tls?: boolean
  /** `ID:SECRET`, each acting as the agent. */
  readonly staticKeys?: readonly string[]
  /** A SAML identity provider that the gateway believes. */
  readonly saml?: SamlProvider
  /** Merged over the plane's own section of the configuration. */
  readonly plane?: Readonly<Record<string, unknown>>
  readonly nodeOptions?: readonly string[]
  readonly onLog?: (line: string) => void
}

/** The line that `npm run stack -- sqs` prints; see stack.ts. */
export interface SqsStackLine {
  readonly plane: 'sqs'
  readonly gateway: { readonly url: string }
  readonly upstream: { readonly url: string }
  readonly principals: Principals
  readonly env: Readonly<Record<string, string>>
  readonly api: string
  readonly console: string
  readonly dataDir: string
  readonly config: string
  readonly ca?: string
}

export interface SqsStack {
  readonly line: SqsStackLine
  readonly identity: IdentityProvider
  readonly gateway: GatewayProcess
  readonly service: QueueService
  /** Where evidence is written. */
  readonly evidence: string
  stop(): Promise<void>
}

/** A queue service with the bank's queues in it, an identity provider, and the gateway in front. */
export async function startSqsStack(options: SqsStackOptions = {}): Promise<SqsStack> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-sqs-'))
  const keeper = startKeeper(directory)
  opened.defer(() => keeper.dismiss())
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const service = await startQueueService(options.upstream ?? 'fauxqs', (pid) => keeper.watch(pid))
  opened.defer(() => service.stop())
  if (options.policy !== 'allow-all') await service.createQueues(BANK_QUEUES)
  const identity = await startIdentityProvider()
  opened.defer(() => identity.close())
  const config = await writeFiles(directory, service, identity, options)
  const gateway = await GatewayProcess.start({
    config,
    onSpawn: (pid) => keeper.watch(pid),
    ...(options.nodeOptions === undefined ? {} : { nodeOptions: options.nodeOptions }),
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  })
  opened.defer(async () => void (await gateway.stop()))
  const line = await describe(directory, config, gateway, service, identity, options)
  const rest = opened.move()
  return {
    line,
    identity,
    gateway,
    service,
    evidence: join(directory, 'var', 'evidence'),
    stop: () => rest.disposeAsync(),
  }
}

async function writeFiles(
  directory: string,
  service: QueueService,
  identity: IdentityProvider,
  options: SqsStackOptions,
): Promise<string> {
  const path = (name: string): string => join(directory, name)
  await mkdir(path('var'))
  await writeBundle(options.policy ?? 'starter', directory)
  await writeLogKey(directory, newLogKey())
  if (options.tls === true) await writeCertificates(directory)
  const secrets: Readonly<Record<string, string>> = {
    'credentials.key': randomBytes(32).toString('base64'),
    'upstream.secret': 'upstream-secret',
    'agent.token': await identity.agentToken(),
  }
  const staticKeys = (options.staticKeys ?? []).map((written, index) => {
    const [id = '', ...secret] = written.split(':')
    return { id, secret: secret.join(':'), file: `static-${index}.secret` }
  })
  for (const [name, text] of [
    ...Object.entries(secrets),
    ...staticKeys.map(({ file, secret }) => [file, secret] as const),
  ])
    await writeFile(path(name), text, { mode: 0o600 })
  const sqs = {
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    ...(options.tls === true
      ? { tls: { cert: { file: './server.pem' }, key: { file: './server.key' } } }
      : { plaintext: 'loopback' }),
    account: ACCOUNT,
    region: REGION,
    ...(options.publicUrl === undefined ? {} : { public_url: options.publicUrl }),
    upstream: {
      endpoint: service.url,
      credentials: { access_key_id: 'UPSTREAM', secret_access_key: { file: './upstream.secret' } },
    },
    queues: 'any',
    credentials: { keys: [{ id: 'k1', secret: { file: './credentials.key' } }], lifetime: '4h' },
    ...(staticKeys.length === 0
      ? {}
      : {
          laboratory: {
            static_keys: staticKeys.map(({ id, file }) => ({
              id,
              secret: { file: `./${file}` },
              token: { file: './agent.token' },
            })),
          },
        }),
    hold: { patience: '1s' },
    ...options.plane,
  }
  const configuration = gatewayConfiguration({ identity, apiPort: 0, logLevel: 'info' }, { sqs })
  const believed =
    options.saml === undefined ? configuration : await withSaml(configuration, options.saml, path('saml.pem'))
  await writeFile(path('gateway.yaml'), stringify(believed))
  return path('gateway.yaml')
}

async function withSaml(configuration: GatewayConfiguration, provider: SamlProvider, file: string): Promise<object> {
  await writeFile(file, provider.certificates.join('\n'))
  const { issuer, audience, recipient } = provider
  const saml = [
    {
      issuer,
      audience,
      recipient,
      certificates: [{ file }],
      attributes: { kind: 'kind', owner: 'owner', groups: 'groups', roles: 'roles' },
    },
  ]
  return { ...configuration, identity: { ...configuration.identity, saml } }
}

async function describe(
  directory: string,
  config: string,
  gateway: GatewayProcess,
  service: QueueService,
  identity: IdentityProvider,
  options: SqsStackOptions,
): Promise<SqsStackLine> {
  const { planes, api } = gateway.listening
  const scheme = options.tls === true ? 'https' : 'http'
  const url = options.publicUrl ?? `${scheme}://127.0.0.1:${planes['sqs']?.port ?? 0}`
  const ca = options.tls === true ? { ca: join(directory, 'ca.pem') } : null
  const principals = await principalsOf(identity)
  const tokenFile = join(directory, 'agent.token')
  return {
    plane: 'sqs',
    gateway: { url },
    upstream: { url: service.url },
    principals,
    env: {
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ROLE_ARN: `arn:aws:iam::${ACCOUNT}:role/agent`,
      AWS_ROLE_SESSION_NAME: 'reconciler',
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ENDPOINT_URL_STS: url,
      AWS_ENDPOINT_URL_SQS: url,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...(ca === null ? {} : { AWS_CA_BUNDLE: ca.ca, NODE_EXTRA_CA_CERTS: ca.ca }),
    },
    api,
    console: api,
    dataDir: join(directory, 'var'),
    config,
    ...ca,
  }
}
