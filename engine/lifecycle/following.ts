import type { JsonObject } from '../access-request.ts'
import { CountersignError } from '../errors.ts'
import type { InForce } from './in-force.ts'
import type { PolicyLedger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LifecycleStore } from './store.ts'
import { Rounds, type Turns } from './turns.ts'

/** A gateway that hasn't learnt for so long which policy is in force decides nothing until it has. */
const UNSURE_MS = 5_000

export interface FollowingOptions {
  readonly store: Pick<LifecycleStore, 'version'>
  readonly ledger: PolicyLedger
  readonly inForce: InForce
  readonly turns: Turns
  log(event: string, fields: JsonObject): void
}

/** What other gateways on the same state have put in force comes into force here. */
export class Following {
  readonly #options: FollowingOptions
  readonly #rounds: Rounds = new Rounds()
  #watchdog: NodeJS.Timeout | undefined

  constructor(options: FollowingOptions) {
    this.#options = options
  }

  /** Looks every so many milliseconds. */
  start(everyMs: number): void {
    this.#watch()
    this.#rounds.start(everyMs, () => this.#follow())
  }

  async end(): Promise<void> {
    clearTimeout(this.#watchdog)
    await this.#rounds.end()
    clearTimeout(this.#watchdog)
  }

  async #follow(): Promise<void> {
    try {
      await this.#options.turns.take(() => this.#look())
    } catch (error) {
      const code = error instanceof CountersignError ? error.code : 'unknown'
      this.#options.log('policy.not_followed', { code })
    }
  }

  async #look(): Promise<void> {
    const { store, ledger, inForce } = this.#options
    const version = await store.version()
    if (version !== inForce.version) await this.#catchUp(await ledger.life())
    else if (inForce.isSuspended) await inForce.adopt(await ledger.life(), null, !ledger.outOfStep)
    this.#watch()
  }

  /** Known to be out of date from here on: nothing more is decided by what was in force until what is can be. */
  async #catchUp(life: Lifecycle): Promise<void> {
    const { ledger, inForce } = this.#options
    try {
      await inForce.adopt(life, null, !ledger.outOfStep)
    } catch (error) {
      inForce.suspend('another policy is in force, which this gateway could not open')
      throw error
    }
  }

  #watch(): void {
    clearTimeout(this.#watchdog)
    if (this.#rounds.isEnded) return
    const lost = 'the gateway has lost touch with which policy is in force'
    this.#watchdog = setTimeout(() => this.#options.inForce.suspend(lost), UNSURE_MS)
    this.#watchdog.unref()
  }
}
