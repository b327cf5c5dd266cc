import type { Approval } from './approval.ts'

type Waiter = PromiseWithResolvers<Approval>

/** Those who wait for a hold's answer. Nothing here outlives the process. */
export class WaitingRoom {
  readonly #waiters = new Map<string, Set<Waiter>>()

  /** The settled approval, or the signal's reason. `look` is asked once the waiter stands, so that no answer is missed. */
  async wait(id: string, signal: AbortSignal, look: () => Promise<Approval>): Promise<Approval> {
    signal.throwIfAborted()
    const waiter: Waiter = Promise.withResolvers()
    const leave = (): void => waiter.reject(signal.reason)
    this.#of(id).add(waiter)
    signal.addEventListener('abort', leave, { once: true })
    try {
      look().then(
        (approval) => approval.state === 'requested' || waiter.resolve(approval),
        (error: unknown) => waiter.reject(error),
      )
      return await waiter.promise
    } finally {
      signal.removeEventListener('abort', leave)
      this.#remove(id, waiter)
    }
  }

  /** The holds that somebody waits for. */
  awaited(): readonly string[] {
    return [...this.#waiters.keys()]
  }

  isAwaited(id: string): boolean {
    return this.#waiters.has(id)
  }

  tell(approval: Approval): void {
    for (const waiter of this.#waiters.get(approval.id) ?? []) waiter.resolve(approval)
  }

  fail(id: string, error: unknown): void {
    for (const waiter of this.#waiters.get(id) ?? []) waiter.reject(error)
  }

  failAll(error: unknown): void {
    for (const id of this.#waiters.keys()) this.fail(id, error)
  }

  #of(id: string): Set<Waiter> {
    const waiters = this.#waiters.get(id) ?? new Set<Waiter>()
    this.#waiters.set(id, waiters)
    return waiters
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#waiters.delete(id)
  }
}
