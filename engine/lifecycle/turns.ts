import { setTimeout as sleep } from 'node:timers/promises'

/** One thing at a time, in the order in which it was asked for. What fails is the asker's: the next one has its turn. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** Resolves when whoever has asked so far has had his turn. */
  async idle(): Promise<void> {
    await this.#last
  }
}

/** Looks again and again until it is ended. Keeps no process alive. */
export class Rounds {
  readonly #ending = new AbortController()
  #running: Promise<void> = Promise.resolve()

  get isEnded(): boolean {
    return this.#ending.signal.aborted
  }

  /** `look` must not throw. */
  start(everyMs: number, look: () => Promise<void>, firstMs: number = everyMs): void {
    this.#running = this.#run(everyMs, look, firstMs)
  }

  /** Resolves when the look that is under way has ended. */
  async end(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  async #run(everyMs: number, look: () => Promise<void>, firstMs: number): Promise<void> {
    for (let ms = firstMs; await this.#pause(ms); ms = everyMs) await look()
  }

  async #pause(ms: number): Promise<boolean> {
    try {
      await sleep(ms, undefined, { signal: this.#ending.signal, ref: false })
      return true
    } catch {
      return false
    }
  }
}
