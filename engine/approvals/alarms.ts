const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** A timer for each approval to which something happens by itself. One that is early, or was capped, is set again. */
export class Alarms {
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #now: () => number
  readonly #ring: (id: string) => Promise<void>

  /** `ring` must not reject. */
  constructor(now: () => number, ring: (id: string) => Promise<void>) {
    this.#now = now
    this.#ring = ring
  }

  /** In the place of an earlier one; at Infinity there is none. Milliseconds since 1970. */
  set(id: string, time: number): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    if (time === Infinity) return
    const delay = Math.min(Math.max(time - this.#now(), 0), MAX_TIMEOUT_MS)
    this.#timers.set(id, setTimeout(() => void this.#ring(id), delay).unref())
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }
}
