/** How many there may be: each is one held request's. */
const MOST = 10_000

interface Kept<Answer> {
  /** Null between a client's tries: the hold is known, and nobody waits for it just now. */
  readonly answer: Promise<Answer> | null
  /** Milliseconds since 1970: when the hold or its approval is over. Infinity while the answer is being made. */
  readonly until: number
}

/**
 * Answers to requests that were held. Whoever sends the same one again while it waits joins it, and gets the same answer
 * until the approval expires: what was approved once runs once, however often a client retries.
 */
export class KeptAnswers<Answer> {
  readonly #kept = new Map<string, Kept<Answer>>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Nothing is kept: then no key need be made. */
  get isEmpty(): boolean {
    return this.#kept.size === 0
  }

  find(key: string): Promise<Answer> | null {
    return this.#current(key)?.answer ?? null
  }

  /** Whether a hold of this request is known: then its next try is the one that all others join. */
  isHeld(key: string): boolean {
    return this.#current(key) !== null
  }

  /** Whoever comes with the same request now waits for this answer too. The first one counts. */
  waiting(key: string, answer: Promise<Answer>): void {
    if (this.find(key) === null) this.#kept.set(key, { answer, until: Number.POSITIVE_INFINITY })
  }

  /** It has run under an approval: its answer is kept until then. */
  released(key: string, answer: Promise<Answer>, until: number): void {
    this.#kept.set(key, { answer, until })
    if (this.#kept.size > MOST) for (const each of this.#kept.keys()) this.#current(each)
  }

  /** It has ended without running. `until`: when its hold is over, null where none waits for an answer. */
  denied(key: string, answer: Promise<Answer>, until: number | null): void {
    if (this.#kept.get(key)?.answer !== answer) return
    if (until === null) this.#kept.delete(key)
    else this.#kept.set(key, { answer: null, until })
  }

  #current(key: string): Kept<Answer> | null {
    const kept = this.#kept.get(key)
    if (kept === undefined || kept.until > this.#now()) return kept ?? null
    this.#kept.delete(key)
    return null
  }
}
