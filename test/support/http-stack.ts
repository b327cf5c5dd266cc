import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { MASKING_KEY } from '../conformance/http/form.ts'
import { type BankApi, startBankApi } from './bank-api.ts'
import { issueCertificates } from './certificates.ts'
import { writeChangedBundle } from './changed-bundle.ts'
import { countersign } from './command.ts'
import { EnvoyProcess } from './envoy.ts'
import { freePort } from './free-port.ts'
import { GatewayProcess } from './gateway-process.ts'
import { startIdentityProvider } from './identity-provider.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { startKeeper } from './keeper.ts'
import { type Principals, principalsOf } from './principals.ts'
import { gatewayConfiguration, newLogKey, writeBundle, writeCertificates, writeLogKey } from './stack-config.ts'

export interface HttpStackOptions {
  /** `starter` (default), `allow-all`, or the path of another bundle. */
  readonly policy?: string
  readonly port?: number
  readonly tls?: boolean
  /** URL of an API that runs already; a small bank of the test's own by default. */
  readonly upstream?: string
  /** Fields that are masked wherever they stand in an answer: over allow-all, as all that follows. */
  readonly maskFields?: readonly string[]
  /** Parts of an answer, as `body/customer/ssn`, and the method for each. */
  readonly mask?: Readonly<Record<string, string>>
  /** Beginnings of paths: whose answers aren't masked, that are refused, that are held. */
  readonly unmaskedPaths?: readonly string[]
  readonly denyPaths?: readonly string[]
  readonly holdPaths?: readonly string[]
  /** Merged over the API's, and the plane's own section of the configuration. */
  readonly api?: Readonly<Record<string, unknown>>
  readonly plane?: Readonly<Record<string, unknown>>
  /** Envoy takes the connections. `dial`: where it reaches the processor, as `HOST:PORT`; at the gateway by default. */
  readonly envoy?: {
    /** The gateway's port towards it; any by default. */
    readonly control?: number
    /** How it reaches the gateway: plaintext on loopback by default. */
    readonly over?: 'tls' | 'socket'
    readonly dial?: string | readonly string[]
    readonly responses?: 'buffered' | 'streamed'
    /** Told where the gateway judges, before Envoy starts. */
    readonly onGateway?: (processor: { readonly host: string; readonly port: number }) => void
  }
  readonly nodeOptions?: readonly string[]
  readonly onLog?: (line: string) => void
}

/** The line that `npm run stack -- http` prints; see stack.ts. */
export interface HttpStackLine {
  readonly plane: 'http'
  readonly gateway: { readonly url: string }
  readonly upstream: { readonly url: string }
  readonly principals: Principals
  readonly env: Readonly<Record<string, string>>
  readonly api: string
  readonly console: string
  readonly dataDir: string
  readonly config: string
  readonly ca?: string
  /** Its admin address, and where the gateway judges exchanges. */
  readonly envoy?: { readonly admin: string; readonly processor: { readonly host: string; readonly port: number } }
}

export interface HttpStack {
  readonly line: HttpStackLine
  readonly identity: IdentityProvider
  readonly gateway: GatewayProcess
  /** Null where the API runs elsewhere. */
  readonly bank: BankApi | null
  readonly envoy: EnvoyProcess | null
  /** Where evidence is written. */
  readonly evidence: string
  stop(): Promise<void>
}

/** An API with the bank in it, an identity provider, and the gateway in front. */
export async function startHttpStack(options: HttpStackOptions = {}): Promise<HttpStack> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-http-'))
  const keeper = startKeeper(directory)
  opened.defer(() => keeper.dismiss())
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const bank = options.upstream === undefined ? await startBankApi() : null
  opened.defer(() => bank?.stop())
  const url = options.upstream ?? bank?.url ?? ''
  const identity = await startIdentityProvider()
  opened.defer(() => identity.close())
  const ports = options.envoy === undefined ? null : await envoyPorts(options)
  const config = await writeHttpFiles(directory, url, identity, { ...options, ...planeOf(directory, options, ports) })
  const gateway = await GatewayProcess.start({
    config,
    onSpawn: (pid) => keeper.watch(pid),
    ...(options.nodeOptions === undefined ? {} : { nodeOptions: options.nodeOptions }),
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  })
  opened.defer(async () => void (await gateway.stop()))
  const described = await describe(directory, config, gateway, url, identity, options)
  if (ports !== null) options.envoy?.onGateway?.({ host: '127.0.0.1', port: ports.control })
  const envoy = ports === null ? null : await startEnvoy(config, ports, (pid) => keeper.watch(pid), options)
  opened.defer(() => envoy?.stop())
  const processor = { host: '127.0.0.1', port: ports?.control ?? 0 }
  const line = envoy === null ? described : { ...described, envoy: { admin: envoy.admin, processor } }
  const rest = opened.move()
  return {
    line,
    identity,
    gateway,
    bank,
    envoy,
    evidence: join(directory, 'var', 'evidence'),
    stop: () => rest.disposeAsync(),
  }
}

interface EnvoyPorts {
  readonly listen: number
  readonly control: number
  readonly admin: number
}

async function envoyPorts({ port = 0, envoy }: HttpStackOptions): Promise<EnvoyPorts> {
  return {
    listen: port === 0 ? await freePort() : port,
    control: envoy?.control ?? (await freePort()),
    admin: await freePort(),
  }
}

function planeOf(
  directory: string,
  options: HttpStackOptions,
  ports: EnvoyPorts | null,
): Pick<HttpStackOptions, 'port' | 'plane'> {
  if (ports === null) return {}
  const { dial, responses, over } = options.envoy ?? {}
  const processors = [dial ?? []].flat().map((each) => {
    const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(each) ?? []
    return { host, port: Number(port) }
  })
  const place = { host: '127.0.0.1', port: ports.control }
  const own = { cert: { file: './envoy.pem' }, key: { file: './envoy.key' } }
  const tls = { ...place, tls: { ...own, ca: { file: './envoy-ca.pem' } } }
  const envoy = {
    control: over === 'socket' ? { socket: join(directory, 'envoy.sock') } : over === 'tls' ? tls : place,
    ...(over === 'tls' ? { server_name: 'localhost', client: own } : {}),
    ...(dial === undefined ? {} : { processors }),
    ...(responses === undefined ? {} : { responses }),
  }
  return { port: ports.listen, plane: { envoy, ...options.plane } }
}

/** As its operator would: the bootstrap comes from the command that is there for it. */
async function startEnvoy(
  config: string,
  ports: EnvoyPorts,
  onSpawn: (pid: number) => void,
  { onLog, envoy }: HttpStackOptions,
): Promise<EnvoyProcess> {
  const beside = (name: string): string => join(dirname(config), name)
  const proof = ['--cert', beside('envoy.pem'), '--key', beside('envoy.key'), '--ca', beside('envoy-ca.pem')]
  const args = ['--config', config, '--admin', `127.0.0.1:${ports.admin}`, ...(envoy?.over === 'tls' ? proof : [])]
  const { code, out, err } = await countersign('envoy', 'bootstrap', ...args)
  if (code !== 0) throw new Error(err)
  await writeFile(beside('envoy.json'), out)
  const admin = { host: '127.0.0.1', port: ports.admin }
  return EnvoyProcess.start({
    bootstrap: beside('envoy.json'),
    admin,
    onSpawn,
    ...(onLog === undefined ? {} : { onLog }),
  })
}

/** Configuration, bundle, keys and certificates; the path of the configuration. */
export async function writeHttpFiles(
  directory: string,
  upstream: string,
  identity: IdentityProvider,
  options: HttpStackOptions,
): Promise<string> {
  const path = (name: string): string => join(directory, name)
  await mkdir(path('var'))
  await writeBundle(await bundleFor(directory, options), directory)
  await writeLogKey(directory, newLogKey())
  await writeFile(path('upstream.token'), 'upstream-token', { mode: 0o600 })
  await writeFile(path('masking.key'), MASKING_KEY, { mode: 0o600 })
  if (options.tls === true) await writeCertificates(directory)
  if (options.envoy?.over === 'tls') {
    const { ca, certificate, key } = issueCertificates(['localhost'])
    await writeFile(path('envoy-ca.pem'), ca)
    await writeFile(path('envoy.pem'), certificate)
    await writeFile(path('envoy.key'), key, { mode: 0o600 })
  }
  const http = {
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    ...(options.tls === true ? { tls: { cert: { file: './server.pem' }, key: { file: './server.key' } } } : {}),
    ...(options.tls === true && options.envoy === undefined ? {} : { plaintext: 'loopback' }),
    apis: [
      {
        name: 'bank',
        hosts: 'any',
        upstream: { url: upstream, credentials: { bearer: { file: './upstream.token' } } },
        ...options.api,
      },
    ],
    hold: { patience: '1s' },
    ...options.plane,
  }
  await writeFile(
    path('gateway.yaml'),
    stringify(gatewayConfiguration({ identity, apiPort: 0, logLevel: 'info', maskingKey: './masking.key' }, { http })),
  )
  return path('gateway.yaml')
}

/** A policy by name; with something to mask, refuse or hold, allow-all with that in its data. */
async function bundleFor(directory: string, options: HttpStackOptions): Promise<string> {
  const { maskFields = [], mask = {}, unmaskedPaths = [], denyPaths = [], holdPaths = [] } = options
  const named = { ...Object.fromEntries(maskFields.map((name) => [`body/**/${name}`, 'redact'])), ...mask }
  if (Object.keys(named).length + denyPaths.length + holdPaths.length === 0) return options.policy ?? 'starter'
  const file = join(directory, 'asked.tar.gz')
  const asked = { mask: named, unmasked: unmaskedPaths, deny: denyPaths, hold: holdPaths }
  await writeChangedBundle('allow-all', file, (data) => ({ ...data, http_test: asked }))
  return file
}

async function describe(
  directory: string,
  config: string,
  gateway: GatewayProcess,
  upstream: string,
  identity: IdentityProvider,
  options: HttpStackOptions,
): Promise<HttpStackLine> {
  const { planes, api } = gateway.listening
  const url = `http${options.tls === true ? 's' : ''}://127.0.0.1:${planes['http']?.port ?? 0}`
  const principals = await principalsOf(identity)
  const ca = options.tls === true ? join(directory, 'ca.pem') : null
  return {
    plane: 'http',
    gateway: { url },
    upstream: { url: upstream },
    principals,
    env: {
      API_URL: url,
      API_TOKEN: principals.agent.token,
      ...(ca === null ? {} : { NODE_EXTRA_CA_CERTS: ca, SSL_CERT_FILE: ca }),
    },
    api,
    console: api,
    dataDir: join(directory, 'var'),
    config,
    ...(ca === null ? {} : { ca }),
  }
}
