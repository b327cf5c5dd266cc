import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError, StateError } from '../errors.ts'
import { after, type Change, type Lifecycle, type Step } from './lifecycle.ts'
import type { LifecycleStore } from './store.ts'

export interface LedgerOptions {
  /** Milliseconds since 1970. */
  now(): number
  /** The evidence writer that the journal writes as. */
  readonly writer: string
}

/** Makes a change durable in evidence. */
export type Journal = (change: Change) => Promise<void>

/** How long a change waits for another gateway's; that takes milliseconds, unless that gateway died. */
const CONTENDED_MS = 5_000
const POLL_MS = 25

/** The life of policies, one change after the other: claimed, then in evidence, then true. Every failure refuses. */
export class PolicyLedger {
  readonly #store: LifecycleStore
  readonly #options: LedgerOptions
  #last: Promise<unknown> = Promise.resolve()
  /** Set once, when the store lost a change that evidence has. Only a restart brings the two together. */
  #ended: StateError | null = null

  constructor(store: LifecycleStore, options: LedgerOptions) {
    this.#store = store
    this.#options = options
  }

  async life(): Promise<Lifecycle> {
    return (await this.#store.standing()).life
  }

  /** True after a change that evidence has and the store has not. */
  get outOfStep(): boolean {
    return this.#ended !== null
  }

  /**
   * The step that `choose` makes of how things stand, none where it answers null. Resolves with how they stand then; `journal`
   * is called once nobody else can change anything, and what it rejects with is thrown.
   */
  change(choose: (life: Lifecycle) => Step | null, journal: Journal): Promise<Lifecycle> {
    const turn = this.#last.then(() => this.#uncontended(choose, journal))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #uncontended(choose: (life: Lifecycle) => Step | null, journal: Journal): Promise<Lifecycle> {
    for (let waited = 0; ; waited += POLL_MS) {
      if (this.#ended !== null) throw this.#ended
      const { life, writer } = await this.#store.standing()
      const step = choose(life)
      if (step === null) return life
      if (writer === null && (await this.#store.claim(life.version, this.#options.writer))) {
        return this.#claimed(life, { number: life.version + 1, at: this.#options.now(), ...step }, journal)
      }
      if (waited >= CONTENDED_MS) throw busy()
      await sleep(POLL_MS)
    }
  }

  /** Killed behind the journal: the claim stands, and the rebuild that a restart begins with brings the row up to evidence. */
  async #claimed(life: Lifecycle, change: Change, journal: Journal): Promise<Lifecycle> {
    const { writer } = this.#options
    try {
      await journal(change)
    } catch (error) {
      // After a fatal failure nobody knows what of the last batch is durable; any other refusal was before anything was written.
      if (!(error instanceof EvidenceError && error.fatal)) await this.#store.release(life.version, writer)
      throw error
    }
    const next = after(life, change)
    try {
      await this.#store.settle(next, writer)
    } catch (cause) {
      const message =
        'a change of policies that evidence has could not be stored: restart the gateway, which rebuilds it'
      this.#ended = new StateError('ERR_STATE_QUERY', message, { cause })
      throw this.#ended
    }
    return next
  }
}

function busy(): StateError {
  const message = 'another gateway has been changing policies for seconds: ask again; if that gateway died, start it'
  return new StateError('ERR_STATE_BUSY', message, { retryable: true })
}
