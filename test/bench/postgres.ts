/**
 * What the gateway costs: pgbench's read-only transaction, and answers of 10 to 200,000 rows, straight to the server,
 * through pgbouncer, through a bare pipe in Node, and through the gateway with durable evidence, in turn within each round,
 * so that all of them meet the same machine. Ratios are the result; absolute figures are this machine's.
 *
 *   npm run bench -- postgres [--quick] [--seconds N] [--rounds N] [--clients 1,8,32] [--modes simple,extended,prepared]
 *                             [--only queries|answers|copies] [--profile]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { COPIES, fetchAnswer, fillTables, SELECTS } from './answers.ts'
import type { Answer, AnswerSample } from './answers.ts'
import { pathsTo } from './paths.ts'
import type { Path } from './paths.ts'
import { initialize, measure, missingPgbench, MODES, SELECT_SCRIPT } from './pgbench.ts'
import type { Mode, Run } from './pgbench.ts'
import { processorMicros } from './processor-time.ts'
import { topSelfTimes } from './profile.ts'
import { answerTable, summarize, summarizeAnswers, table } from './report.ts'
import type { AnswerLine, Line, Sample } from './report.ts'

const PARTS = ['queries', 'answers', 'copies'] as const
type Part = (typeof PARTS)[number]

interface Options {
  readonly seconds: number
  readonly rounds: number
  readonly clients: readonly number[]
  readonly modes: readonly Mode[]
  readonly parts: readonly Part[]
  readonly profile: boolean
}

const USAGE = `usage: npm run bench -- postgres [--quick] [--seconds N] [--rounds N] [--clients 1,8,32] [--modes ${MODES.join()}]
                                 [--only ${PARTS.join('|')}] [--profile]

  --quick     one short round with 8 clients
  --only      of the three parts this one: pgbench, answers of many rows, COPY
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
  const lines: Line[] = []
  const answers: AnswerLine[] = []
  if (options.parts.some((part) => part !== 'copies')) {
    await withStack('starter', options, async (paths, directory) => {
      if (options.parts.includes('queries')) lines.push(...summarize(await measureAll(paths, options, directory)))
      if (options.parts.includes('answers')) answers.push(...summarizeAnswers(await fetchAll(paths, SELECTS, options)))
    })
  }
  if (options.parts.includes('copies')) {
    await withStack('allow-all', options, async (paths) => {
      answers.push(...summarizeAnswers(await fetchAll(paths, COPIES, options)))
    })
  }
  if (lines.length > 0) process.stdout.write(`${table(lines)}\n\n`)
  if (answers.length > 0) process.stdout.write(`${answerTable(answers)}\n\n`)
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`
  const { seconds, rounds } = options
  process.stdout.write(`${JSON.stringify({ machine, seconds, rounds, lines, answers })}\n`)
  return 0
}

async function withStack(
  policy: string,
  { profile }: Options,
  work: (paths: readonly Path[], directory: string) => Promise<void>,
): Promise<void> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const nodeOptions = profile ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : []
  const stack = await startStack({ policy, nodeOptions, logLevel: 'warn' })
  opened.defer(() => stack.stop())
  await work(await pathsTo(stack, directory, opened), directory)
  if (profile) await showProfile(stack, directory)
}

function parse(argv: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        quick: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        clients: { type: 'string' },
        modes: { type: 'string', default: MODES.join() },
        only: { type: 'string', default: PARTS.join() },
        profile: { type: 'boolean', default: false },
      },
    })
    const { quick } = values
    const clients = (values.clients ?? (quick ? '8' : '1,8,32')).split(',').map(Number)
    const modes = MODES.filter((mode) => values.modes.split(',').includes(mode))
    const parts = PARTS.filter((part) => values.only.split(',').includes(part))
    const seconds = Number(values.seconds ?? (quick ? 2 : 5))
    const rounds = Number(values.rounds ?? (quick ? 1 : 3))
    const counts = [seconds, rounds, ...clients]
    if (modes.length === 0 || parts.length === 0) return null
    if (!counts.every((count) => Number.isInteger(count) && count > 0)) return null
    return { seconds, rounds, clients, modes, parts, profile: values.profile }
  } catch {
    return null
  }
}

async function fetchAll(
  paths: readonly Path[],
  answers: readonly Answer[],
  { rounds }: Options,
): Promise<readonly AnswerSample[]> {
  const [direct] = paths
  if (direct !== undefined) await fillTables(direct.target)
  const samples: AnswerSample[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const answer of answers) {
      for (const path of paths) {
        process.stderr.write(`round ${round} of ${rounds}: ${answer.name}, ${path.target.name}\n`)
        samples.push(await fetchAnswer(path, answer))
      }
    }
  }
  return samples
}

async function measureAll(paths: readonly Path[], options: Options, directory: string): Promise<readonly Sample[]> {
  const script = join(directory, 'select.sql')
  await writeFile(script, SELECT_SCRIPT)
  const [direct] = paths
  if (direct !== undefined) await initialize(direct.target)
  const samples: Sample[] = []
  // Warm, in every mode: what a gateway costs in its first second is not what it costs from then on.
  for (const { target } of paths)
    for (const mode of options.modes) await measure(target, { mode, clients: 8, seconds: 2, script })
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
