/** How long a batch waits for those that are expected; the grain of a timer. */
const WAIT_MS = 1
/** A commit that is faster than this costs less than waiting for company. */
const SLOW_MS = 0.4
/** After waits that brought nobody, so many batches at most go without waiting. */
const MOST_SKIPPED = 64

/**
 * Who shares the next commit. Clients that each wait for their own answer fall into two halves, one of which waits while
 * the other's batch is written, and every batch carries half of what it could, though nearly all that a commit costs is
 * the same for one entry and for a hundred. So a batch waits, a millisecond at most, for those that the one before has
 * let go. Where they don't come back, waiting is given up, for longer each time.
 */
export class Company {
  readonly #now: () => number
  #expected = 0
  #skip = 0
  #penalty = 0
  #here = 0
  #complete: (() => void) | null = null

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  now(): number {
    return this.#now()
  }

  /** So many wait for the batch that is filling. */
  waiting(count: number): void {
    this.#here = count
    if (this.#complete !== null && count >= this.#expected) this.#complete()
  }

  /** A batch has let go of `released`, `tookMs` after its write began; `waiting` have gathered meanwhile. */
  committed(released: number, waiting: number, tookMs: number): void {
    this.#here = waiting
    this.#expected = tookMs < SLOW_MS ? 0 : released + waiting
  }

  /** Null: nobody is waited for. Else resolves when all that are expected are here, or the wait is over. */
  gathered(): Promise<void> | null {
    if (this.#here >= this.#expected) return null
    if (this.#skip > 0) {
      this.#skip -= 1
      return null
    }
    return this.#wait(this.#here)
  }

  #wait(before: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = (): void => {
      clearTimeout(timer)
      this.#complete = null
      this.#penalty = this.#here > before ? 0 : Math.min(Math.max(this.#penalty * 2, 1), MOST_SKIPPED)
      this.#skip = this.#penalty
      resolve()
    }
    const timer = setTimeout(end, WAIT_MS)
    this.#complete = end
    return promise
  }
}
