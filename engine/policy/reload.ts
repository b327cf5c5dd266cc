import { PolicyError } from '../errors.ts'
import type { ActivePolicy } from './bundle.ts'

/**
 * The policy in force and the one before it. A swap is whole: whoever asked `current()` keeps that policy to the end of
 * its request. Kept in memory only; which bundle is in force after a restart is the configuration's word.
 */
export class PolicyStore {
  #current: ActivePolicy | undefined
  #previous: ActivePolicy | undefined

  /** Throws PolicyError ERR_POLICY_NONE: without a policy nothing is decided, so everything is rejected. */
  current(): ActivePolicy {
    if (this.#current === undefined) throw new PolicyError('ERR_POLICY_NONE', 'no policy is active')
    return this.#current
  }

  /** Call it once `policy.activated` is durable. Activating the revision already in force changes nothing. */
  activate(next: ActivePolicy): void {
    if (next.reference.digest === this.#current?.reference.digest) return
    this.#previous = this.#current
    this.#current = next
  }

  /** Puts the policy before back in force and returns it; a second rollback undoes the first. */
  rollback(): ActivePolicy {
    const previous = this.#previous
    if (previous === undefined) throw new PolicyError('ERR_POLICY_NONE', 'there is no earlier policy to go back to')
    this.#previous = this.#current
    this.#current = previous
    return previous
  }
}
