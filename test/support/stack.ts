/**
 * A whole bank in one command: PostgreSQL with the bank in it, an identity provider, and the gateway in front with the
 * reference policy. Tests, the demo, benchmarks and other people's client suites stand on it.
 *
 *   npm run stack -- postgres [--policy starter|allow-all|FILE] [--port N] [--tls]
 *   npm run stack -- sqs [--policy starter|allow-all|FILE] [--port N] [--tls] [--upstream moto|URL] [--public-url URL] [--static-key ID:SECRET]
 *   npm run stack -- http [--policy starter|allow-all|FILE] [--port N] [--tls] [--upstream URL] [--mask-field NAME …] [--deny-path PATH …]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { GatewayProcess } from './gateway-process.ts'
import { startIdentityProvider } from './identity-provider.ts'
import type { IdentityProvider } from './identity-provider.ts'
import { startKeeper } from './keeper.ts'
import { startPostgres } from './postgres.ts'
import { type Principals, principalsOf } from './principals.ts'
import type { PostgresServer } from './postgres.ts'
import { writeStackConfig, writeStackFiles } from './stack-config.ts'
import type { StackConfigOptions, StackFiles } from './stack-config.ts'

export interface StackOptions {
  /** `starter` (default), `allow-all`, or the path of another bundle. */
  readonly policy?: string
  /** The gateway's port; any free one by default. */
  readonly port?: number
  readonly tls?: boolean
  /** Load the bank. Default true. */
  readonly bank?: boolean
  /** Settings of the server beyond ours, as `name=value`. */
  readonly settings?: readonly string[]
  /** Another release of the server, as in PostgresOptions; npm's by default. */
  readonly release?: string
  /** Of the server's superuser; a random one by default. */
  readonly password?: string
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error'
  /** Merged over the plane's own section of the configuration. */
  readonly plane?: Readonly<Record<string, unknown>>
  /** The file of the masking key; none by default. */
  readonly maskingKey?: string
  /** Merged over `identity` of the configuration. */
  readonly believed?: Readonly<Record<string, unknown>>
  /** Programs that are told of approvals, as the configuration has them. */
  readonly webhooks?: readonly object[]
  /** Options for the gateway's node, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[]
  readonly onLog?: (line: string) => void
}

/** The one line that `npm run stack` prints. It is how others test us: fields are added, none is changed. */
export interface StackLine {
  readonly plane: 'postgres'
  readonly gateway: { readonly host: string; readonly port: number; readonly database: string }
  readonly upstream: {
    readonly host: string
    readonly port: number
    readonly database: string
    readonly user: string
    readonly password: string
  }
  readonly principals: Principals
  /** What a client of this plane sets. */
  readonly env: Readonly<Record<string, string>>
  readonly api: string
  /** What a person's browser opens. */
  readonly console: string
  readonly dataDir: string
  readonly config: string
  readonly ca?: string
}

export interface Stack {
  readonly line: StackLine
  readonly postgres: PostgresServer
  readonly identity: IdentityProvider
  readonly gateway: GatewayProcess
  /** Where evidence is written. */
  readonly evidence: string
  /** Ends everything and removes every file. Safe to call twice. */
  stop(): Promise<void>
}

/** Starts the whole stack; resolves when the gateway takes connections. What was started is ended when it doesn't come up. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-stack-'))
  const keeper = startKeeper(directory)
  opened.defer(() => keeper.dismiss())
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const [postgres, identity] = await startBoth(options, opened)
  const written: StackConfigOptions = {
    directory,
    identity,
    postgres,
    policy: options.policy ?? 'starter',
    tls: options.tls ?? false,
    port: options.port ?? 0,
    apiPort: 0,
    logLevel: options.logLevel ?? 'info',
    ...(options.plane === undefined ? {} : { plane: options.plane }),
    ...(options.maskingKey === undefined ? {} : { maskingKey: options.maskingKey }),
    ...(options.webhooks === undefined ? {} : { webhooks: options.webhooks }),
    ...(options.believed === undefined ? {} : { believed: options.believed }),
  }
  const files = await writeStackFiles(written)
  const { nodeOptions, onLog } = options
  const gateway = await GatewayProcess.start({
    config: files.config,
    onSpawn: (pid) => keeper.watch(pid),
    ...(nodeOptions === undefined ? {} : { nodeOptions }),
    ...(onLog === undefined ? {} : { onLog }),
  })
  opened.defer(async () => void (await gateway.stop()))
  const { planes, api } = gateway.listening
  const port = planes['postgres']?.port ?? 0
  await writeStackConfig({ ...written, port, apiPort: Number(new URL(api).port) })
  const line = await describeStack({ port, api, postgres, identity, files })
  const rest = opened.move()
  return {
    line,
    postgres,
    identity,
    gateway,
    evidence: join(files.dataDir, 'evidence'),
    stop: () => rest.disposeAsync(),
  }
}

/** Side by side; when one fails, the other is still ended. */
export async function startBoth(
  options: Pick<StackOptions, 'bank' | 'settings' | 'release' | 'password'>,
  opened: AsyncDisposableStack,
): Promise<readonly [PostgresServer, IdentityProvider]> {
  const { bank = true, settings = [], release, password } = options
  const postgres = startPostgres({
    bank,
    settings,
    ...(release === undefined ? {} : { release }),
    ...(password === undefined ? {} : { password }),
  }).then((server) => {
    opened.defer(() => server.stop())
    return server
  })
  const identity = startIdentityProvider().then((provider) => {
    opened.defer(() => provider.close())
    return provider
  })
  await Promise.allSettled([postgres, identity])
  return Promise.all([postgres, identity])
}

export interface Described {
  readonly port: number
  readonly api: string
  readonly postgres: PostgresServer
  readonly identity: IdentityProvider
  readonly files: StackFiles
}

export async function describeStack({ port, api, postgres, identity, files }: Described): Promise<StackLine> {
  const { host, database, user, password } = postgres
  const principals = await principalsOf(identity)
  const tls = files.ca === null ? { PGSSLMODE: 'disable' } : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: files.ca }
  return {
    plane: 'postgres',
    gateway: { host: '127.0.0.1', port, database },
    upstream: { host, port: postgres.port, database, user, password },
    principals,
    env: {
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      PGDATABASE: database,
      PGUSER: principals.agent.user,
      PGPASSWORD: principals.agent.token,
      ...tls,
    },
    api,
    console: api,
    dataDir: files.dataDir,
    config: files.config,
    ...(files.ca === null ? {} : { ca: files.ca }),
  }
}

const USAGE = `usage: npm run stack -- postgres [--policy starter|allow-all|FILE] [--port N] [--tls]
       npm run stack -- sqs [--policy starter|allow-all|FILE] [--port N] [--tls] [--upstream moto|URL] [--public-url URL]
                            [--static-key ID:SECRET …]
       npm run stack -- http [--policy starter|allow-all|FILE] [--port N] [--tls] [--upstream URL]
                             [--mask-field NAME …] [--deny-path PATH …] [--hold-path PATH …]
       npm run stack -- http-envoy [as http] [--ext-proc-dial HOST:PORT] [--streamed]

Starts an upstream with the bank in it, an identity provider and the gateway, prints one JSON line when all is ready, and
stays until its standard input ends or it gets SIGTERM. Leaves nothing running and nothing behind.
`

const EXIT_USAGE = 64
const EXIT_INTERRUPTED = 130

/** What any plane's stack is, once it runs. */
export interface RunningStack {
  readonly line: object
  readonly gateway: GatewayProcess
  stop(): Promise<void>
}

type Start = (onLog: (line: string) => void) => Promise<RunningStack>

async function main(argv: readonly string[]): Promise<number> {
  const start = await parse(argv)
  if (start === null) {
    process.stderr.write(USAGE)
    return EXIT_USAGE
  }
  const ended = Promise.withResolvers<string>()
  let up = false
  const end = (why: string): void => {
    if (!up) process.exit(EXIT_INTERRUPTED) // whatever runs already has a keeper, who sees us go
    ended.resolve(why)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => end(signal))
  const stack = await start((line) => process.stderr.write(`${line}\n`))
  up = true
  process.stdin.on('end', () => end('end of input'))
  process.stdin.on('error', () => end('end of input'))
  process.stdin.resume()
  process.stdout.write(`${JSON.stringify(stack.line)}\n`)
  const died = stack.gateway.exited.then((how) => `the gateway ended by itself: ${how}`)
  const why = await Promise.race([ended.promise, died])
  await stack.stop()
  if (!why.startsWith('the gateway')) return 0
  process.stderr.write(`stack: ${why}\n`)
  return 1
}

async function parse([plane, ...argv]: readonly string[]): Promise<Start | null> {
  try {
    const options = { policy: { type: 'string' }, port: { type: 'string' } } as const
    if (plane === 'postgres') {
      const { values } = parseArgs({ args: argv, options: { ...options, tls: { type: 'boolean', default: false } } })
      const { port, ...common } = readCommon(values)
      return (onLog) => startStack({ ...common, port, tls: values.tls, onLog })
    }
    if (plane === 'http' || plane === 'http-envoy') return await parseHttp(argv, options, plane === 'http-envoy')
    if (plane !== 'sqs') return null
    const { startSqsStack } = await import('./sqs-stack.ts')
    const { values } = parseArgs({
      args: argv,
      options: {
        ...options,
        tls: { type: 'boolean', default: false },
        upstream: { type: 'string' },
        'public-url': { type: 'string' },
        'static-key': { type: 'string', multiple: true },
      },
    })
    const { tls, upstream, 'public-url': publicUrl, 'static-key': staticKeys = [] } = values
    const more = { ...(upstream === undefined ? {} : { upstream }), ...(publicUrl === undefined ? {} : { publicUrl }) }
    const common = readCommon(values)
    return (onLog) => startSqsStack({ ...common, ...more, tls, staticKeys, onLog })
  } catch {
    return null
  }
}

async function parseHttp(
  args: readonly string[],
  common: { readonly policy: { readonly type: 'string' }; readonly port: { readonly type: 'string' } },
  isEnvoy: boolean,
): Promise<Start> {
  const { startHttpStack } = await import('./http-stack.ts')
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...common,
      tls: { type: 'boolean', default: false },
      upstream: { type: 'string' },
      'mask-field': { type: 'string', multiple: true },
      'deny-path': { type: 'string', multiple: true },
      'hold-path': { type: 'string', multiple: true },
      'ext-proc-dial': { type: 'string' },
      streamed: { type: 'boolean', default: false },
    },
  })
  const { 'ext-proc-dial': dial, streamed } = values
  if (!isEnvoy && (streamed || dial !== undefined)) throw new RangeError('only with http-envoy')
  if (dial !== undefined && !/^[^:]+:\d+$/.test(dial)) throw new RangeError('no such address')
  const envoy = { ...(dial === undefined ? {} : { dial }), responses: streamed ? 'streamed' : 'buffered' } as const
  const {
    upstream,
    tls,
    'mask-field': maskFields = [],
    'deny-path': denyPaths = [],
    'hold-path': holdPaths = [],
  } = values
  const asked = {
    tls,
    maskFields,
    denyPaths,
    holdPaths,
    ...(upstream === undefined ? {} : { upstream }),
    ...(isEnvoy ? { envoy } : {}),
  }
  const { port, ...rest } = readCommon(values)
  return (onLog) => startHttpStack({ ...rest, port, ...asked, onLog })
}

function readCommon({ policy, port: written = '0' }: { policy?: string | undefined; port?: string | undefined }): {
  readonly policy?: string
  readonly port: number
} {
  const port = Number(written)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError('no such port')
  return { port, ...(policy === undefined ? {} : { policy }) }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)))
