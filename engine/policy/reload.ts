import { PolicyError } from '../errors.ts'
import type { ActivePolicy } from './bundle.ts'

/**
 * The policy in force here. A swap is whole: whoever asked `current()` keeps that policy to the end of its request. What
 * is in force after a restart is engine/lifecycle's to say.
 */
export class PolicyStore {
  #current: ActivePolicy | undefined
  /** What stands in for the policy while nobody here knows whether it is still the one in force. */
  #suspended: ActivePolicy | undefined

  /** Throws PolicyError ERR_POLICY_NONE: without a policy nothing is decided, so everything is rejected. */
  current(): ActivePolicy {
    const current = this.#suspended ?? this.#current
    if (current === undefined) throw new PolicyError('ERR_POLICY_NONE', 'no policy is active')
    return current
  }

  /** Call it once `policy.activated` is durable. Ends a suspension. */
  activate(next: ActivePolicy): void {
    this.#suspended = undefined
    if (next.reference.digest !== this.#current?.reference.digest) this.#current = next
  }

  /** From here on nothing is decided: every request is rejected, in the name of the policy that was in force last. */
  suspend(why: string): void {
    if (this.#current === undefined) return
    this.#suspended = {
      ...this.#current,
      evaluate: () => {
        throw new PolicyError('ERR_POLICY_SUSPENDED', why, { retryable: true })
      },
    }
  }

  /** The policy that was in force last decides again. */
  resume(): void {
    this.#suspended = undefined
  }
}
