/** Upper bounds in seconds, as Prometheus has them; what is longer is in the count alone. */
export const BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
/** Sets of labels that are kept apart; a policy that makes up rule names must not fill the memory. */
const MAX_SERIES = 5_000

export interface Histogram {
  /** Cumulative, one a bound. */
  readonly buckets: readonly number[]
  readonly sum: number
  readonly count: number
}

/** What one gateway has recorded since it started, added up. */
export interface Measured {
  readonly decisions: readonly { readonly plane: string; readonly verdict: string; readonly count: number }[]
  readonly rules: readonly { readonly plane: string; readonly verdict: string; readonly rule: string; readonly count: number }[]
  readonly outcomes: Readonly<Record<string, number>>
  readonly bytes: number
  readonly decided: Histogram
  readonly took: Histogram
}

interface Decided {
  plane(): string
  readonly verdict: string
  readonly rules: readonly string[]
  readonly decidedUs: number | null
}

interface Settled {
  readonly status: string
  readonly bytes: number | null
  readonly tookUs: number | null
}

/** Counts what this gateway's own writer records: the numbers are of one process, as Prometheus wants them. */
export class Meter {
  readonly #writer: string
  readonly #decisions = new Map<string, number>()
  readonly #rules = new Map<string, number>()
  readonly #outcomes = new Map<string, number>()
  readonly #decided = new Observed()
  readonly #took = new Observed()
  #bytes = 0

  constructor(writer: string) {
    this.#writer = writer
  }

  decided(writer: string, { plane, verdict, rules, decidedUs }: Decided): void {
    if (writer !== this.#writer) return
    const where = plane()
    count(this.#decisions, JSON.stringify([where, verdict]))
    for (const rule of rules) count(this.#rules, JSON.stringify([where, verdict, rule]))
    if (decidedUs !== null) this.#decided.add(decidedUs / 1e6)
  }

  settled(writer: string, { status, bytes, tookUs }: Settled): void {
    if (writer !== this.#writer) return
    count(this.#outcomes, status)
    this.#bytes += bytes ?? 0
    if (tookUs !== null) this.#took.add(tookUs / 1e6)
  }

  read(): Measured {
    return {
      decisions: [...this.#decisions].map(([key, n]) => {
        const [plane, verdict]: [string, string] = JSON.parse(key)
        return { plane, verdict, count: n }
      }),
      rules: [...this.#rules].map(([key, n]) => {
        const [plane, verdict, rule]: [string, string, string] = JSON.parse(key)
        return { plane, verdict, rule, count: n }
      }),
      outcomes: Object.fromEntries(this.#outcomes),
      bytes: this.#bytes,
      decided: this.#decided.read(),
      took: this.#took.read(),
    }
  }
}

function count(series: Map<string, number>, key: string): void {
  if (series.size >= MAX_SERIES && !series.has(key)) return
  series.set(key, (series.get(key) ?? 0) + 1)
}

class Observed {
  readonly #buckets = BOUNDS.map(() => 0)
  #sum = 0
  #count = 0

  add(seconds: number): void {
    this.#sum += seconds
    this.#count += 1
    for (const [at, bound] of BOUNDS.entries()) if (seconds <= bound) this.#buckets[at] = (this.#buckets[at] ?? 0) + 1
  }

  read(): Histogram {
    return { buckets: [...this.#buckets], sum: this.#sum, count: this.#count }
  }
}
