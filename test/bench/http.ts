import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { findEnvoy } from '../support/envoy.ts'
import { goProgram } from '../support/go-program.ts'
import { type HttpStack, type HttpStackOptions, startHttpStack } from '../support/http-stack.ts'
import { startEnvoyAlone } from './envoy-alone.ts'
import { processorMicros } from './processor-time.ts'
import { topSelfTimes } from './profile.ts'

const PEER = fileURLToPath(new URL('http-peer/', import.meta.url))
const PROXY = fileURLToPath(new URL('http-proxy.ts', import.meta.url))
const POLICY = join(PEER, 'authz.rego')
const PATH = '/customers/1'
const WARM_UP = 4000
const TOP = 45

/** A way to the API, and the processes between whose time is counted. */
interface Way {
  readonly name: string
  readonly port: number
  readonly token: string
  readonly pids: Readonly<Record<string, number>>
}

interface Measured {
  readonly perSecond: number
  /** Of each process, for one request. */
  readonly micros: Readonly<Record<string, number>>
}

const USAGE = `usage: npm run bench -- http [--requests N] [--rounds N] [--connections N] [--only NAME …] [--profile]

Requests a second, and processor time for one request, of the gateway's both forms before an API in Go (1.7 KB of JSON, four
fields of it masked by the starter policy), beside no gateway, undici alone, Envoy alone, and Envoy with an authorizer over
OPA's Go library. Each round measures all of them in turn, so that all meet the same machine. --profile tells where the time
goes of \`embedded masked\`, or of the last embedded form that --only names. Needs go; without Envoy its ways are left out.
`

/** `npm run bench -- http`. */
export async function benchHttp(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      requests: { type: 'string', default: '12000' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '32' },
      only: { type: 'string', multiple: true, default: [] },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const peer = await goProgram(PEER, 'http-peer')
  const asked = values.profile && values.only.length === 0 ? ['embedded masked'] : values.only
  const run: Run = {
    peer,
    directory,
    opened,
    profiled: values.profile,
    wanted: (name) => asked.length === 0 || asked.some((each) => name.startsWith(each)),
  }
  const { ways, profiledStack } = await waysTo(run)
  const measure = (way: Way, requests: number): Promise<Measured> =>
    measured(peer, way, Number(values.connections), requests)
  for (const way of ways) await measure(way, WARM_UP)
  const rounds: (readonly Measured[])[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const all: Measured[] = []
    for (const way of ways) all.push(await measure(way, Number(values.requests)))
    rounds.push(all)
  }
  process.stdout.write(`${table(ways, rounds)}\n`)
  if (profiledStack !== null) await showProfile(profiledStack, directory)
  return 0
}

interface Run {
  readonly peer: string
  readonly directory: string
  readonly opened: AsyncDisposableStack
  readonly profiled: boolean
  readonly wanted: (name: string) => boolean
}

async function waysTo(run: Run): Promise<{ readonly ways: readonly Way[]; readonly profiledStack: HttpStack | null }> {
  const upstream = await started(run, run.peer, ['upstream'])
  const ways: Way[] = [{ name: 'direct', port: upstream.port, token: '', pids: {} }]
  const url = `http://127.0.0.1:${upstream.port}`
  if (run.wanted('undici alone')) {
    const { port, pid } = await started(run, process.execPath, [PROXY, url])
    ways.push({ name: 'undici alone', port, token: '', pids: { node: pid } })
  }
  let profiledStack: HttpStack | null = null
  for (const [name, policy] of [
    ['embedded plain', 'allow-all'],
    ['embedded masked', 'starter'],
  ] as const) {
    if (!run.wanted(name)) continue
    const nodeOptions = run.profiled ? ['--cpu-prof', `--cpu-prof-dir=${run.directory}`] : []
    const stack = await stackOf(run, { policy, upstream: url, nodeOptions })
    ways.push(through(name, stack))
    if (run.profiled) profiledStack = stack
  }
  const envoys = ['envoy alone', 'envoy with authz', 'envoy form plain', 'envoy form masked'].some(run.wanted)
  if (envoys && findEnvoy() !== null) ways.push(...(await envoyWays(run, upstream.port, url)))
  return { ways, profiledStack }
}

async function envoyWays(run: Run, upstream: number, url: string): Promise<readonly Way[]> {
  const ways: Way[] = []
  if (run.wanted('envoy alone')) {
    const { envoy, port } = await startEnvoyAlone(run.directory, upstream, null)
    run.opened.defer(() => envoy.stop())
    ways.push({ name: 'envoy alone', port, token: '', pids: { envoy: envoy.pid } })
  }
  if (run.wanted('envoy with authz')) {
    const authorizer = await started(run, run.peer, ['authz', POLICY])
    const { envoy, port } = await startEnvoyAlone(run.directory, upstream, authorizer.port)
    run.opened.defer(() => envoy.stop())
    ways.push({ name: 'envoy with authz', port, token: UNSIGNED, pids: { envoy: envoy.pid, go: authorizer.pid } })
  }
  for (const [name, policy] of [
    ['envoy form plain', 'allow-all'],
    ['envoy form masked', 'starter'],
  ] as const) {
    if (run.wanted(name)) ways.push(through(name, await stackOf(run, { policy, upstream: url, envoy: {} })))
  }
  return ways
}

/** What the authorizer reads: claims, of which it verifies nothing. */
const UNSIGNED = ['{"alg":"none"}', '{"sub":"reconciler"}', '']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.')

async function stackOf({ opened }: Run, options: HttpStackOptions): Promise<HttpStack> {
  const stack = await startHttpStack(options)
  opened.defer(() => stack.stop())
  return stack
}

function through(name: string, { line, gateway, envoy }: HttpStack): Way {
  const pids = { node: gateway.pid, ...(envoy === null ? {} : { envoy: envoy.pid }) }
  return { name, port: Number(new URL(line.gateway.url).port), token: line.principals.agent.token, pids }
}

/** A program that prints its port and ends with its standard input. */
async function started(
  { opened }: Run,
  command: string,
  args: readonly string[],
): Promise<{ readonly port: number; readonly pid: number }> {
  const child: ChildProcess = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  opened.defer(() => void child.stdin?.end())
  if (child.stdout === null) throw new Error(`${command} has no output`)
  const [port]: unknown[] = await once(createInterface({ input: child.stdout }), 'line')
  return { port: Number(port), pid: child.pid ?? 0 }
}

async function measured(peer: string, way: Way, connections: number, requests: number): Promise<Measured> {
  const before = await timesOf(way)
  const args = ['load', String(way.port), String(connections), String(requests), PATH]
  const { stdout } = await promisify(execFile)(peer, args, { env: { ...process.env, TOKEN: way.token } })
  const after = await timesOf(way)
  const micros = Object.entries(after).map(([name, now]) => [name, (now - (before[name] ?? 0)) / requests])
  return { perSecond: requests / Number(stdout), micros: Object.fromEntries(micros) }
}

async function timesOf({ pids }: Way): Promise<Readonly<Record<string, number>>> {
  const times = Object.entries(pids).map(async ([name, pid]) => [name, (await processorMicros(pid)) ?? Number.NaN])
  return Object.fromEntries(await Promise.all(times))
}

function table(ways: readonly Way[], rounds: readonly (readonly Measured[])[]): string {
  const lines = ways.map(({ name, pids }, index) => {
    const own = rounds.flatMap((round) => round[index] ?? [])
    const rate = median(own.map(({ perSecond }) => perSecond))
    const micros = Object.keys(pids).map((process) => ({
      process,
      of: median(own.map((each) => each.micros[process] ?? Number.NaN)),
    }))
    const parts = micros.map(({ process, of }) => `${process} ${of.toFixed(0)}`).join(' + ')
    const all = micros.length === 0 ? '' : micros.reduce((sum, { of }) => sum + of, 0).toFixed(0)
    return `${name.padEnd(18)} ${rate.toFixed(0).padStart(7)} ${all.padStart(12)}  ${micros.length > 1 ? parts : ''}`.trimEnd()
  })
  return [`${'through'.padEnd(18)} ${'req/s'.padStart(7)} ${'CPU µs/req'.padStart(12)}`, ...lines].join('\n')
}

async function showProfile(stack: HttpStack, directory: string): Promise<void> {
  await stack.gateway.stop()
  const lines = (await topSelfTimes(directory, TOP)).map(
    ({ name, place, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name.padEnd(32)}  ${place}`,
  )
  process.stdout.write(`the gateway's own time, idle left out:\n${lines.join('\n')}\n`)
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN
}
