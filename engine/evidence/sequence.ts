import type { JsonValue } from '../access-request.ts'
import { asObject, isCount } from './decision-record.ts'
import { parseWriterFile } from './writers.ts'

/** Records of one writer that stand side by side in the tree: leaf `index` is record `seq`, `index + 1` is `seq + 1`. */
export interface Run {
  readonly index: number
  readonly writer: string
  readonly seq: number
  readonly count: number
}

/** A run as its line: canonical JSON, newline at its end. */
export function runLine({ count, index, seq, writer }: Run): string {
  return `{"count":${count},"index":${index},"seq":${seq},"writer":"${writer}"}\n`
}

/** How far the sequence file is whole. A crash leaves a last line unfinished: `torn`. Anything else wrong is `broken`. */
export interface Sequence {
  readonly runs: readonly Run[]
  /** Leaves in all. */
  readonly size: number
  readonly torn: boolean
  /** Line number and what is wrong with it; null when nothing is. */
  readonly broken: { readonly line: number; readonly expected: string } | null
}

/** Reads `log/sequence.ndjson` whole: as far as it is in order. */
export function parseSequence(text: string): Sequence {
  const lines = text.split('\n')
  const torn = lines.pop() !== ''
  const runs: Run[] = []
  const order = new RunOrder()
  for (const [at, line] of lines.entries()) {
    const run = order.take(line)
    if (typeof run === 'string') return { runs, size: order.size, torn, broken: { line: at + 1, expected: run } }
    runs.push(run)
  }
  return { runs, size: order.size, torn, broken: null }
}

/** Runs line by line: they follow each other from leaf 0, and in each writer from record 1, without a gap. */
export class RunOrder {
  readonly #next = new Map<string, number>()
  #size = 0

  /** Leaves so far. */
  get size(): number {
    return this.#size
  }

  /** Answers the run, or what was expected instead of this line (without its newline). */
  take(line: string): Run | string {
    const run = parseRun(line)
    if (run === undefined) return 'a run of records'
    const seq = this.#next.get(run.writer) ?? 1
    if (run.index !== this.#size || run.seq !== seq) return `index ${this.#size}, seq ${seq} of ${run.writer}`
    this.#next.set(run.writer, seq + run.count)
    this.#size += run.count
    return run
  }
}

/** Runs joined where one continues the other, as they are written anew at each start. */
export function joined(runs: readonly Run[]): readonly Run[] {
  const all: Run[] = []
  for (const run of runs) {
    const last = all.at(-1)
    if (last?.writer === run.writer) all[all.length - 1] = { ...last, count: last.count + run.count }
    else all.push(run)
  }
  return all
}

function parseRun(line: string): Run | undefined {
  const { count, index, seq, writer } = asObject(parsed(line)) ?? {}
  if (!isCount(count) || count === 0 || !isCount(index) || !isCount(seq) || typeof writer !== 'string') return undefined
  if (parseWriterFile(`${writer}.ndjson`) === undefined) return undefined
  const run = { count, index, seq, writer }
  return runLine(run) === `${line}\n` ? run : undefined
}

function parsed(line: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(line)
    return value
  } catch {
    return undefined
  }
}
