/**
 * What the gateway costs: pgbench's read-only transaction straight to the server, through a bare pipe in Node, and through
 * the gateway with the starter policy and durable evidence, in turn within each round, so that all of them meet the same
 * machine. Ratios are the result; absolute figures are this machine's.
 *
 *   npm run bench -- postgres [--seconds N] [--rounds N] [--clients 8,1] [--modes simple,extended,prepared] [--profile]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { initialize, measure, missingPgbench, MODES, SELECT_SCRIPT } from './pgbench.ts'
import type { Mode, Run, Target } from './pgbench.ts'
import { processorMicros } from './processor-time.ts'
import { topSelfTimes } from './profile.ts'
import { summarize, table } from './report.ts'
import type { Sample } from './report.ts'

interface Options {
  readonly seconds: number
  readonly rounds: number
  readonly clients: readonly number[]
  readonly modes: readonly Mode[]
  readonly profile: boolean
}

/** A way to the server; `pid` of the process between, whose processor time is counted. */
interface Path {
  readonly target: Target
  readonly pid: number | null
}

const USAGE = `usage: npm run bench -- postgres [--seconds N] [--rounds N] [--clients 8,1] [--modes ${MODES.join()}] [--profile]

  --profile   runs the gateway with --cpu-prof and prints where its time went (and is slower for it)
`
const TOP = 30

/** `npm run bench -- postgres`. */
export async function benchPostgres(argv: readonly string[]): Promise<number> {
  const options = parse(argv)
  if (options === null) {
    process.stderr.write(USAGE)
    return 64
  }
  const missing = missingPgbench()
  if (missing !== null) {
    process.stderr.write(`${missing}\n`)
    return 69
  }
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const nodeOptions = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : []
  const stack = await startStack({ nodeOptions, logLevel: 'warn' })
  opened.defer(() => stack.stop())
  const paths = await pathsTo(stack, opened)
  const samples = await measureAll(paths, options, directory)
  const lines = summarize(samples)
  process.stdout.write(`${table(lines)}\n\n`)
  if (options.profile) await showProfile(stack, directory)
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`
  process.stdout.write(`${JSON.stringify({ machine, seconds: options.seconds, rounds: options.rounds, lines })}\n`)
  return 0
}

function parse(argv: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        seconds: { type: 'string', default: '5' },
        rounds: { type: 'string', default: '3' },
        clients: { type: 'string', default: '8,1' },
        modes: { type: 'string', default: MODES.join() },
        profile: { type: 'boolean', default: false },
      },
    })
    const clients = values.clients.split(',').map(Number)
    const modes = MODES.filter((mode) => values.modes.split(',').includes(mode))
    const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
    const counts = [seconds, rounds, ...clients]
    if (modes.length === 0) return null
    if (!counts.every((count) => Number.isInteger(count) && count > 0)) return null
    return { seconds, rounds, clients, modes, profile: values.profile }
  } catch {
    return null
  }
}

async function pathsTo({ line, gateway }: Stack, opened: AsyncDisposableStack): Promise<readonly Path[]> {
  const direct: Target = { name: 'direct', ...line.upstream }
  await initialize(direct)
  const pipe = spawn(
    process.execPath,
    [fileURLToPath(new URL('pipe.ts', import.meta.url)), direct.host, String(direct.port)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  opened.defer(() => void pipe.stdin.end())
  const [port]: unknown[] = await once(createInterface({ input: pipe.stdout }), 'line')
  const { user, token } = line.principals.agent
  return [
    { target: direct, pid: null },
    { target: { ...direct, name: 'pipe', port: Number(port) }, pid: pipe.pid ?? null },
    { target: { name: 'gateway', ...line.gateway, user, password: token }, pid: gateway.pid },
  ]
}

async function measureAll(paths: readonly Path[], options: Options, directory: string): Promise<readonly Sample[]> {
  const script = join(directory, 'select.sql')
  await writeFile(script, SELECT_SCRIPT)
  const samples: Sample[] = []
  for (const { target } of paths) await measure(target, { mode: 'simple', clients: 1, seconds: 1, script }) // warm
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const clients of options.clients) {
      for (const mode of options.modes) {
        for (const path of paths) {
          process.stderr.write(
            `round ${round} of ${options.rounds}: ${mode}, ${clients} clients, ${path.target.name}\n`,
          )
          samples.push(await sample(path, { mode, clients, seconds: options.seconds, script }))
        }
      }
    }
  }
  return samples
}

async function sample({ target, pid }: Path, run: Run): Promise<Sample> {
  const before = pid === null ? null : await processorMicros(pid)
  const measured = await measure(target, run)
  const after = pid === null ? null : await processorMicros(pid)
  const cpuMicros = before === null || after === null ? null : (after - before) / measured.transactions
  return { ...measured, target: target.name, mode: run.mode, clients: run.clients, cpuMicros }
}

async function showProfile(stack: Stack, directory: string): Promise<void> {
  await stack.gateway.stop()
  const lines = (await topSelfTimes(directory, TOP)).map(
    ({ name, place, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name.padEnd(32)}  ${place}`,
  )
  process.stdout.write(`the gateway's own time, idle left out:\n${lines.join('\n')}\n\n`)
}
