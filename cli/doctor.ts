import { loadConfig } from '../engine/config/index.ts'
import { http, wayAroundApi, waysAtApis } from '../planes/http/index.ts'
import { postgres, roleAtServer, wayAround } from '../planes/postgres/index.ts'
import type { Finding } from '../planes/postgres/index.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import type { CommandIo } from './command.ts'
import { agentFindings } from './doctor-agent.ts'
import { EXIT, explain } from './exit.ts'
import { printable, printedJson } from './printable.ts'

const USAGE = `usage: countersign doctor --config FILE [--json]
       countersign doctor --upstream HOST:PORT|URL [--json]
       countersign doctor --gateway URL [--source DIR] [--json]

Looks for ways around the gateway. With --config, on the gateway's host: what its role may do at the server, and who else
may sign in there. With --upstream, on an agent's host and in the agent's environment (PGUSER, PGPASSWORD, PGDATABASE,
DATABASE_URL): whether the server answers from there, and lets the agent in. Signs in with what it finds; changes nothing.
Of an API, as an http or https URL: whether it answers from there; it is sent no credentials. With --config also how the
gateway reaches its APIs, and what their agents have to set.
With --gateway, there too, for queues: whether an AWS SDK would go to that gateway and as whom, by the agent's variables and
AWS configuration and, with --source, by what its program's files say.

exit: 0 no way around was found, 1 there is one, or more power than needed
`

/** `countersign doctor`. */
export async function doctorCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = commandLine(
    USAGE,
    {
      config: { type: 'string' },
      upstream: { type: 'string' },
      gateway: { type: 'string' },
      source: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
    argv,
  )
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const findings = await found(values, io)
  io.stdout.write(values.json ? printedJson({ findings }) : findings.map(findingText).join(''))
  return findings.some(({ kind }) => kind === 'open') ? EXIT.failed : EXIT.ok
}

interface Asked {
  readonly config?: string | undefined
  readonly upstream?: string | undefined
  readonly gateway?: string | undefined
  readonly source?: string | undefined
}

async function found({ config, upstream, gateway, source }: Asked, io: CommandIo): Promise<readonly Finding[]> {
  if ([config, upstream, gateway].filter((each) => each !== undefined).length !== 1)
    throw wrongUsage('expected one of --config, --upstream and --gateway', USAGE)
  if (source !== undefined && gateway === undefined) throw wrongUsage('--source goes with --gateway', USAGE)
  if (config !== undefined) return fromGateway(config)
  if (upstream !== undefined) return [await fromAgent(upstream, io.env)]
  return agentFindings(originOf(gateway ?? ''), source, io.env)
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url !== null && (url.protocol === 'https:' || url.protocol === 'http:') && url.pathname === '/') return url.origin
  throw wrongUsage(`--gateway: expected scheme, host and port; found ${printable(text)}`, USAGE)
}

async function fromAgent(upstream: string, env: CommandIo['env']): Promise<Finding> {
  const url = /^https?:\/\//.test(upstream) ? URL.parse(upstream) : null
  return url === null ? wayAround(addressOf(upstream), environment(env)) : wayAroundApi(url)
}

/** What can't be looked at is told, not passed over. */
async function fromGateway(file: string): Promise<readonly Finding[]> {
  const { planes } = loadConfig(file).config
  const { postgres: databases, http: apis } = planes
  const found = apis === undefined ? [] : waysAtApis(http.configure(apis))
  if (databases === undefined) return found
  try {
    return [...(await roleAtServer(postgres.configure(databases))), ...found]
  } catch (error) {
    const told = {
      kind: 'unknown',
      what: explain(error),
      remedy: 'countersign check tells what the gateway can reach',
    } as const
    return [told, ...found]
  }
}

function findingText({ kind, what, remedy }: Finding): string {
  const word = { closed: 'ok   ', open: 'OPEN ', unknown: '?    ' }[kind]
  return `${word} ${printable(what)}\n${remedy === '' ? '' : `      → ${printable(remedy)}\n`}`
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const url = URL.parse(`postgres://${text}`)
  const port = url === null || url.port === '' ? 5432 : Number(url.port)
  if (url === null || url.hostname === '' || url.pathname.length > 1) {
    throw wrongUsage(`--upstream: expected HOST:PORT; found ${printable(text)}`, USAGE)
  }
  return { host: url.hostname.replaceAll(/^\[|\]$/g, ''), port }
}

/** PG* variables count before a URL's parts, as a careful client's would. */
function environment(env: CommandIo['env']): Parameters<typeof wayAround>[1] {
  const url = URL.parse(env['DATABASE_URL'] ?? '')
  return {
    user: env['PGUSER'] ?? textOf(url?.username),
    password: env['PGPASSWORD'] ?? textOf(url?.password),
    database: env['PGDATABASE'] ?? textOf(url?.pathname.slice(1)),
  }
}

function textOf(part: string | undefined): string | null {
  return part === undefined || part === '' ? null : decodeURIComponent(part)
}
