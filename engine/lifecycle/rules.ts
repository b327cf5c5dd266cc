import type { Principal } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { Actor, Lifecycle, Proposal } from './lifecycle.ts'
import { proposalOf } from './lifecycle.ts'

/** Whose members may do something. */
export interface Members {
  readonly groups: readonly string[]
  readonly roles: readonly string[]
}

/** What the configuration asks before a policy comes into force. */
export interface LifecycleRules {
  /** `required`: nothing comes into force that another person than its proposer hasn't approved. */
  readonly review: 'required' | 'none'
  /** Who may propose, activate and roll back; nobody, where both lists are empty. */
  readonly operators: Members
  readonly reviewers: Members
}

const MAX_REASON_LENGTH = 2_000

export function actorOf({ id, kind, issuer, act, owner }: Principal): Actor {
  return { id, kind, issuer, act, owner }
}

/** A pipeline may operate; what policies are about, an agent, may not, nor may anybody through one. */
export function checkOperator({ operators }: LifecycleRules, by: Principal): void {
  if (by.kind !== 'agent' && by.act.length === 0 && isMember(operators, by)) return
  throw new PolicyError('ERR_POLICY_PERSON', 'only an operator (policy.operators), not an agent, may do this')
}

/** Ids are compared without their issuers: that two providers vouch for one name must not make two people of it. */
export function checkReviewer({ reviewers }: LifecycleRules, { by: proposer, policy }: Proposal, by: Principal): void {
  if (by.kind !== 'person' || by.act.length > 0) {
    throw new PolicyError('ERR_POLICY_PERSON', 'only a person, signed in as themselves, can review a policy')
  }
  if (by.id === proposer.id || by.id === proposer.owner || proposer.act.includes(by.id)) {
    throw new PolicyError('ERR_POLICY_SELF', `${by.id} proposed ${policy.revision}: another person must review it`)
  }
  if (!isMember(reviewers, by)) {
    throw new PolicyError('ERR_POLICY_PERSON', 'only a reviewer (policy.reviewers) may review a policy')
  }
}

/** Who may do anything with policies may see how they stand. */
export function checkReader({ operators, reviewers }: LifecycleRules, by: Principal): void {
  if (by.kind !== 'agent' && by.act.length === 0 && (isMember(operators, by) || isMember(reviewers, by))) return
  throw new PolicyError('ERR_POLICY_PERSON', 'only operators (policy.operators) and reviewers may see this')
}

export interface Powers {
  readonly operates: boolean
  readonly reviews: boolean
}

/** What somebody may do with policies that are not their own. */
export function powersOf({ operators, reviewers }: LifecycleRules, by: Principal): Powers {
  const stands = by.kind !== 'agent' && by.act.length === 0
  return {
    operates: stands && isMember(operators, by),
    reviews: by.kind === 'person' && stands && isMember(reviewers, by),
  }
}

export function checkReason(given: string | null): string | null {
  const reason = given?.trim() ?? ''
  if (reason.length > MAX_REASON_LENGTH || !reason.isWellFormed()) {
    throw new PolicyError('ERR_POLICY_STEP', `a reason is text of at most ${MAX_REASON_LENGTH} characters`)
  }
  return reason === '' ? null : reason
}

/** Whether a proposed bundle may come into force now; throws the reason why not. */
export function checkActivation(rules: LifecycleRules, life: Lifecycle, digest: string): Proposal {
  const proposal = proposalOf(life, digest)
  const { policy, tested, review } = proposal
  if (tested === null || tested === 'FAILED') {
    const found = tested === null ? 'has not been tested' : 'has failed its tests'
    throw new PolicyError('ERR_POLICY_UNTESTED', `${policy.revision} ${found}: propose a bundle that passes`)
  }
  if (review?.answer === 'reject') {
    throw new PolicyError(
      'ERR_POLICY_UNREVIEWED',
      `${policy.revision} was rejected by ${review.by.id}: propose another`,
    )
  }
  if (rules.review === 'required' && review === null) {
    throw new PolicyError(
      'ERR_POLICY_UNREVIEWED',
      `${policy.revision} awaits a review by another than ${proposal.by.id}`,
    )
  }
  return proposal
}

function isMember({ groups, roles }: Members, by: Principal): boolean {
  return by.groups.some((group) => groups.includes(group)) || by.roles.some((role) => roles.includes(role))
}
