import type { Limits } from '../../../engine/index.ts'

/** What of an answer has been handed out so far: of a portal's, over all its executions. */
export interface Spent {
  rows: number
  bytes: number
}

/** The limit that an answer ran into. */
export type Overrun =
  | { readonly kind: 'rows' | 'bytes'; readonly allowed: number }
  | { readonly kind: 'time'; readonly allowed: number }

/** The answer to one statement against what policy allows of it. */
export class AnswerLimit {
  readonly timeoutMs: number | null
  readonly #rows: number
  readonly #bytes: number
  readonly #spent: Spent
  #overrun: Overrun | null = null

  constructor({ max_rows, max_bytes, timeout_ms }: Limits, spent: Spent) {
    this.#rows = max_rows ?? Infinity
    this.#bytes = max_bytes ?? Infinity
    this.timeoutMs = timeout_ms ?? null
    this.#spent = spent
  }

  /** Null while it is within what is allowed. */
  get overrun(): Overrun | null {
    return this.#overrun
  }

  /** Takes one row of so many bytes. False: this one and all behind it are not handed out. */
  admits(bytes: number): boolean {
    if (this.#overrun !== null) return this.#overrun.kind === 'time' // what comes before the server gives up is not lost
    const spent = this.#spent
    if (spent.rows + 1 > this.#rows) this.#overrun = { kind: 'rows', allowed: this.#rows }
    else if (spent.bytes + bytes > this.#bytes) this.#overrun = { kind: 'bytes', allowed: this.#bytes }
    else {
      spent.rows += 1
      spent.bytes += bytes
    }
    return this.#overrun === null
  }

  /** Its time is up. */
  expire(): void {
    this.#overrun ??= { kind: 'time', allowed: this.timeoutMs ?? 0 }
  }
}
