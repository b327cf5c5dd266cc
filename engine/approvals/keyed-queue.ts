/** Runs work of one key one after the other, in the order it came; work of different keys side by side. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()

  run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(work)
    const tail = ended(result)
    this.#tails.set(key, tail)
    void tail.finally(() => this.#forget(key, tail))
    return result
  }

  /** Resolves when all that is queued now has run. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }

  #forget(key: string, tail: Promise<void>): void {
    if (this.#tails.get(key) === tail) this.#tails.delete(key)
  }
}

/** Resolves either way: a failure is told to whoever queued the work, not to the next in line. */
async function ended(result: Promise<unknown>): Promise<void> {
  await Promise.allSettled([result])
}
