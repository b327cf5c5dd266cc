import { readFile } from 'node:fs/promises'
import { isObject, openBundle, UNHURRIED } from '../engine/policy/index.ts'
import type { ActivePolicy } from '../engine/policy/index.ts'
import type { JsonObject, JsonValue } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { timeOf } from './policy-cases.ts'
import { json } from './policy-compiler.ts'

const USAGE = `usage: countersign policy bench BUNDLE [--runs N] [--baseline FILE] [--slower PERCENT] [--json]

Times the bundle's own self-test requests, each many times, by entrypoint: half of the decisions take p50 or less.

  --runs N           decisions an entrypoint (default 5000)
  --baseline FILE    what --json printed for another bundle, on this very machine
  --slower PERCENT   how much more p50 may be than the baseline's (default 20)

exit: 0, or 1 where an entrypoint is slower than that
`

interface Timing {
  readonly entrypoint: string
  readonly decisions: number
  readonly p50_ns: number
  readonly p99_ns: number
}

/** `countersign policy bench`. */
export async function benchCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    runs: { type: 'string', default: '5000' },
    baseline: { type: 'string' },
    slower: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = commandLine(USAGE, options, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const [bundle, ...rest] = positionals
  if (bundle === undefined || rest.length > 0) throw wrongUsage('bench takes one bundle', USAGE)
  const [runs, slower] = [Number(values.runs), Number(values.slower)]
  if (!Number.isInteger(runs) || runs < 10 || !(slower >= 0))
    throw wrongUsage('--runs or --slower is no such number', USAGE)
  const timings = timed(await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED), runs)
  const before = values.baseline === undefined ? null : await baseline(values.baseline)
  const regressed = timings.filter(
    ({ entrypoint, p50_ns }) => p50_ns > (before?.get(entrypoint) ?? Infinity) * (1 + slower / 100),
  )
  io.stdout.write(values.json ? json({ ok: regressed.length === 0, timings }) : timings.map(line).join(''))
  for (const { entrypoint } of regressed)
    io.stderr.write(`${entrypoint} is more than ${slower} % slower than the baseline\n`)
  return regressed.length === 0 ? EXIT.ok : EXIT.failed
}

function line({ entrypoint, decisions, p50_ns, p99_ns }: Timing): string {
  return `${entrypoint}: ${decisions} decisions, p50 ${(p50_ns / 1000).toFixed(1)} µs, p99 ${(p99_ns / 1000).toFixed(1)} µs\n`
}

function timed(policy: ActivePolicy, runs: number): readonly Timing[] {
  const vectors = vectorsOf(policy.metadata.self_test)
  if (vectors.length === 0) throw new UsageError('the bundle has no self-test vectors to time')
  const entrypoints = [...new Set(vectors.map(({ entrypoint }) => entrypoint))]
  return entrypoints.map((entrypoint) => {
    const own = vectors.filter((vector) => vector.entrypoint === entrypoint)
    const inputs = own.map(({ input }) => ({ text: JSON.stringify(input), at: timeOf(input) }))
    const plane = entrypoint.split('/')[1] ?? ''
    const nanoseconds = Array.from({ length: runs }, (_run, at) => {
      const input = inputs[at % inputs.length]
      const start = process.hrtime.bigint()
      if (input !== undefined) policy.evaluateAgain(plane, input.text, input.at, null)
      return Number(process.hrtime.bigint() - start)
    }).toSorted((one, other) => one - other)
    const at = (share: number): number => nanoseconds[Math.floor(share * (runs - 1))] ?? 0
    return { entrypoint, decisions: runs, p50_ns: at(0.5), p99_ns: at(0.99) }
  })
}

function vectorsOf(
  value: JsonValue | undefined,
): readonly { readonly entrypoint: string; readonly input: JsonObject }[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((vector: JsonValue) => {
    if (!isObject(vector) || typeof vector.entrypoint !== 'string' || !isObject(vector.input)) return []
    return [{ entrypoint: vector.entrypoint, input: vector.input }]
  })
}

async function baseline(path: string): Promise<ReadonlyMap<string, number>> {
  const value: JsonValue = JSON.parse(await readFile(path, 'utf8'))
  const timings = isObject(value) && Array.isArray(value.timings) ? value.timings : null
  if (timings === null)
    throw new UsageError(`--baseline: expected what bench --json printed; ${path} is something else`)
  return new Map(
    timings.flatMap((timing: JsonValue): [string, number][] =>
      isObject(timing) && typeof timing.entrypoint === 'string' && typeof timing.p50_ns === 'number'
        ? [[timing.entrypoint, timing.p50_ns]]
        : [],
    ),
  )
}
