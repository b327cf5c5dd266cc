import { EvidenceError } from '../errors.ts'
import { closingOf } from './recovery.ts'
import type { EvidenceStore } from './store.ts'
import { byAge, type WriterName } from './writers.ts'

/** How long a gateway may be dead before another closes its writers: longer than any restart takes. */
export const PEER_PATIENCE_MS: number = 5 * 60_000
/** Looks at the others so many times within the patience. */
const LOOKS = 10

export interface PeersOptions<Closed = unknown> {
  readonly store: EvidenceStore
  readonly clock: { monotonic(): bigint }
  /** This gateway's own instance, which is no peer. */
  readonly instance: string
  readonly patienceMs: number
  /** Closes the dead writers of an instance. */
  close(instance: string, by: string): Promise<Closed>
  onClosed(closed: Closed): void
}

/**
 * The other instances of a store, as the one who signs sees them: one that died and isn't started again within the
 * patience gets its writers closed, so that what it left in doubt is said, and the log is complete without it.
 */
export class Peers<Closed = unknown> {
  readonly #options: PeersOptions<Closed>
  /** Since when an instance has been dead, by the monotonic clock. */
  readonly #dead = new Map<string, bigint>()
  #looked: bigint | null = null

  constructor(options: PeersOptions<Closed>) {
    this.#options = options
  }

  /** Does something a few times within the patience, however often it is called. */
  async look(by: string): Promise<void> {
    const now = this.#options.clock.monotonic()
    const patience = BigInt(this.#options.patienceMs) * 1_000_000n
    if (this.#looked !== null && now - this.#looked < patience / BigInt(LOOKS)) return
    this.#looked = now
    const dead = await this.#findDead()
    for (const instance of this.#dead.keys()) if (!dead.has(instance)) this.#dead.delete(instance)
    for (const instance of dead) {
      const since = this.#dead.get(instance) ?? now
      this.#dead.set(instance, since)
      if (now - since >= patience) await this.#close(instance, by)
    }
  }

  async #findDead(): Promise<ReadonlySet<string>> {
    const { store, instance: own } = this.#options
    const newest = new Map<string, WriterName>()
    for (const writer of (await store.writers()).toSorted(byAge)) newest.set(writer.instance, writer)
    newest.delete(own)
    const dead = new Set<string>()
    for (const [instance, writer] of newest) {
      // Asked in this order: a writer that closes itself does so before it lets go.
      if (!(await store.isHeld(instance)) && (await closingOf(store, writer)) === undefined) dead.add(instance)
    }
    return dead
  }

  async #close(instance: string, by: string): Promise<void> {
    const options = this.#options
    try {
      const closed = await options.close(instance, by)
      this.#dead.delete(instance)
      options.onClosed(closed)
    } catch (error) {
      if (error instanceof EvidenceError && error.code === 'ERR_EVIDENCE_LOCKED') return // It came back just now.
      throw error
    }
  }
}
