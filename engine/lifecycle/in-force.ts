import type { JsonObject } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { RecordDraft } from '../evidence/index.ts'
import type { PolicyStore } from '../policy/index.ts'
import type { KeptBundles } from './kept-bundles.ts'
import type { Lifecycle } from './lifecycle.ts'
import { metadataOf } from './step-record.ts'

export interface InForceOptions {
  readonly bundles: KeptBundles
  /** Where decisions find the policy in force here. */
  readonly policy: PolicyStore
  /** Durable in evidence when it resolves. */
  record(draft: RecordDraft): Promise<void>
  log(event: string, fields: JsonObject): void
}

/**
 * What decides at this gateway: the policy that its ledger says is active, once this gateway's own records have it; or
 * nothing, while nobody here knows which that is.
 */
export class InForce {
  readonly #options: InForceOptions
  /** The version of the ledger that the policy in force here is of. */
  #version = 0
  #suspended = false

  constructor(options: InForceOptions) {
    this.#options = options
  }

  get version(): number {
    return this.#version
  }

  get isSuspended(): boolean {
    return this.#suspended
  }

  get reference(): Lifecycle['proposals'][number]['policy'] {
    return this.#options.policy.current().reference
  }

  /**
   * Brings what is in force here up to the ledger. `recorded`: the policy whose activation this gateway has just recorded;
   * `isTrue`: whether evidence and state agree, without which nothing is decided again.
   */
  async adopt(life: Lifecycle, recorded: string | null, isTrue: boolean): Promise<void> {
    const { policy, bundles } = this.#options
    const active = life.active?.policy
    if (active !== undefined && (this.#version === 0 || active.digest !== policy.current().reference.digest)) {
      const next = await bundles.policy(active.digest)
      if (recorded !== active.digest) {
        const detail = { ...metadataOf(next), follows: life.version }
        await this.#options.record({ event: 'policy.activated', policy: next.reference, detail })
      }
      policy.activate(next)
    }
    this.#version = life.version
    if (!isTrue) return
    if (this.#suspended) this.#options.log('policy.resumed', { version: life.version })
    this.#suspended = false
    policy.resume()
  }

  suspend(why: string): void {
    if (!this.#suspended) this.#options.log('policy.suspended', { why })
    this.#suspended = true
    this.#options.policy.suspend(`${why}: nothing is decided`)
  }

  /** Throws PolicyError ERR_POLICY_SUSPENDED while nothing is decided here. */
  checkReady(): void {
    if (this.#suspended) throw new PolicyError('ERR_POLICY_SUSPENDED', 'the gateway does not know the policy in force')
  }
}
