import type { Answer } from './outcome.ts'

/** How many there may be: each is one approved call's answer. */
const MOST = 10_000

interface Kept {
  readonly answer: Promise<Answer>
  /** Milliseconds since 1970; null while nobody knows whether it will be kept. */
  until: number | null
}

/**
 * Answers to calls that were held. Whoever sends the same call again while it waits joins it, and gets the same answer
 * until the approval expires: what was approved once runs once, however often a client retries.
 */
export class KeptResults {
  readonly #kept = new Map<string, Kept>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0
  }

  find(key: string): Promise<Answer> | null {
    const kept = this.#kept.get(key)
    if (kept === undefined) return null
    if (kept.until === null || kept.until > this.#now()) return kept.answer
    this.#kept.delete(key)
    return null
  }

  /** A hold was asked: whoever comes with the same call now waits for this answer too. */
  waiting(key: string, answer: Promise<Answer>): void {
    if (!this.#kept.has(key)) this.#kept.set(key, { answer, until: null })
  }

  /** The call has ended: with an approval its answer is kept until then, else it is forgotten. */
  ended(key: string, until: number | null): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    if (until === null) this.#kept.delete(key)
    else kept.until = until
    if (this.#kept.size > MOST) this.#sweep()
  }

  #sweep(): void {
    for (const [key, { until }] of this.#kept) if (until !== null && until <= this.#now()) this.#kept.delete(key)
  }
}
