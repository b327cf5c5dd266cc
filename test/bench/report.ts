import type { AnswerSample } from './answers.ts'
import type { Measured, Mode } from './pgbench.ts'

export interface Sample extends Measured {
  readonly target: string
  readonly mode: Mode
  readonly clients: number
  /** Of the proxy, per transaction; null for none and where it can't be known. */
  readonly cpuMicros: number | null
}

export interface Line {
  readonly mode: Mode
  readonly clients: number
  readonly target: string
  /** Medians over the rounds. */
  readonly tps: number
  readonly latencyMs: number
  readonly cpuMicros: number | null
  /** To the first target, and to the second, in the same rounds. */
  readonly ofDirect: number
  readonly ofPipe: number
}

/** One line for each mode, number of clients and target, in the order in which they were first measured. */
export function summarize(samples: readonly Sample[]): readonly Line[] {
  const groups = Map.groupBy(samples, ({ mode, clients, target }) => `${mode} ${clients} ${target}`)
  const tpsOf = (mode: Mode, clients: number, target: string): number =>
    median((groups.get(`${mode} ${clients} ${target}`) ?? []).map(({ tps }) => tps))
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { mode, clients, target } = first
    const tps = tpsOf(mode, clients, target)
    const cpu = group.map(({ cpuMicros }) => cpuMicros).filter((micros) => micros !== null)
    return [
      {
        mode,
        clients,
        target,
        tps,
        latencyMs: median(group.map(({ latencyMs }) => latencyMs)),
        cpuMicros: cpu.length === 0 ? null : median(cpu),
        ofDirect: tps / tpsOf(mode, clients, 'direct'),
        ofPipe: tps / tpsOf(mode, clients, 'pipe'),
      },
    ]
  })
}

export function table(lines: readonly Line[]): string {
  const head = ['mode', 'clients', 'through', 'tps', 'latency', 'CPU/query', 'of direct', 'of pipe']
  const rows = lines.map(({ mode, clients, target, tps, latencyMs, cpuMicros, ofDirect, ofPipe }) => [
    mode,
    String(clients),
    target,
    String(Math.round(tps)),
    `${latencyMs.toFixed(2)} ms`,
    cpuMicros === null ? '' : `${cpuMicros.toFixed(1)} µs`,
    percent(ofDirect),
    percent(ofPipe),
  ])
  return aligned(head, rows, 3)
}

export interface AnswerLine extends AnswerSample {
  /** To the first target, in the same rounds. */
  readonly ofDirect: number
}

/** One line for each answer and target, medians over the rounds. */
export function summarizeAnswers(samples: readonly AnswerSample[]): readonly AnswerLine[] {
  const groups = Map.groupBy(samples, ({ answer, target }) => `${answer} ${target}`)
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { answer, target } = first
    const megabytesPerSecond = rateOf(group)
    const cpu = group.map(({ cpuMsPerMegabyte }) => cpuMsPerMegabyte).filter((ms) => ms !== null)
    return [
      {
        answer,
        target,
        megabytesPerSecond,
        firstRowMs: median(group.map(({ firstRowMs }) => firstRowMs)),
        cpuMsPerMegabyte: cpu.length === 0 ? null : median(cpu),
        ofDirect: megabytesPerSecond / rateOf(groups.get(`${answer} direct`) ?? []),
      },
    ]
  })
}

function rateOf(group: readonly AnswerSample[]): number {
  return median(group.map(({ megabytesPerSecond }) => megabytesPerSecond))
}

export function answerTable(lines: readonly AnswerLine[]): string {
  const head = ['answer', 'through', 'MB/s', 'first row', 'CPU/MB', 'of direct']
  const rows = lines.map(({ answer, target, megabytesPerSecond, firstRowMs, cpuMsPerMegabyte, ofDirect }) => [
    answer,
    target,
    megabytesPerSecond.toFixed(1),
    `${firstRowMs.toFixed(2)} ms`,
    cpuMsPerMegabyte === null ? '' : `${cpuMsPerMegabyte.toFixed(2)} ms`,
    percent(ofDirect),
  ])
  return aligned(head, rows, 2)
}

/** Columns under each other, the first few of them to the left. */
export function aligned(head: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const widths = head.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  return [head, ...rows].map(pad).join('\n')
}

function percent(ratio: number): string {
  return Number.isFinite(ratio) ? `${(ratio * 100).toFixed(0)} %` : ''
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  if (sorted.length === 0) return Number.NaN
  const at = (index: number): number => sorted[index] ?? Number.NaN
  return Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle))
}
