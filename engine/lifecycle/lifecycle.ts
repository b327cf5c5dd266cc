import type { Principal } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import type { PolicyReference } from '../verdict.ts'

/** Who did something; null in its place: this gateway's configuration. Type aliases here, not interfaces: all of it is recorded as JSON. */
export type Actor = Pick<Principal, 'id' | 'kind' | 'issuer' | 'act' | 'owner'>

/** One bundle on its way into force. */
export type Proposal = {
  readonly policy: Pick<PolicyReference, keyof PolicyReference>
  /** SHA-256 of the bundle's file as it was handed in, hex. */
  readonly archive: string
  readonly by: Actor
  /** Milliseconds since 1970. */
  readonly at: number
  /** The last test's result; null: none yet. */
  readonly tested: TestResult | null
  readonly review: Review | null
}

/** As in-toto's test-result predicate has it. */
export type TestResult = 'PASSED' | 'WARNED' | 'FAILED'

export type Review = {
  readonly by: Actor
  readonly answer: 'approve' | 'reject'
  readonly reason: string | null
  readonly at: number
}

export type InForce = {
  readonly policy: Pick<PolicyReference, keyof PolicyReference>
  readonly by: Actor | null
  readonly since: number
}

/** All that is known of policies: what is proposed, what is in force, and what was before it. */
export type Lifecycle = {
  /** Counts changes from 1; 0: nothing has happened yet. */
  readonly version: number
  /** Newest last; the oldest is let go where there are too many. */
  readonly proposals: readonly Proposal[]
  readonly active: InForce | null
  /** Where a rollback goes back to. */
  readonly previous: InForce | null
}

export const NOTHING_YET: Lifecycle = { version: 0, proposals: [], active: null, previous: null }

/** One step, as evidence has it. `number`: the version that it leads to. */
export type Change = { readonly number: number; readonly at: number } & Step

export type Step =
  | { readonly kind: 'proposed'; readonly policy: Proposal['policy']; readonly archive: string; readonly by: Actor }
  | { readonly kind: 'tested'; readonly policy: Proposal['policy']; readonly result: TestResult; readonly by: Actor }
  | {
      readonly kind: 'reviewed'
      readonly policy: Proposal['policy']
      readonly by: Actor
      readonly answer: Review['answer']
      readonly reason: string | null
    }
  | { readonly kind: 'activated'; readonly policy: Proposal['policy']; readonly by: Actor | null }
  | { readonly kind: 'rolled_back'; readonly policy: Proposal['policy']; readonly by: Actor }

const MAX_PROPOSALS = 50

/** Where the step leads. Who may take it, and when, is rules.ts's to say: here it has been taken. */
export function after(life: Lifecycle, change: Change): Lifecycle {
  const { number, at } = change
  switch (change.kind) {
    case 'proposed': {
      const { policy, archive, by } = change
      const others = life.proposals.filter((each) => each.policy.digest !== policy.digest)
      const proposals = [...others, { policy, archive, by, at, tested: null, review: null }]
      return { ...life, version: number, proposals: proposals.slice(-MAX_PROPOSALS) }
    }
    case 'tested':
      return { ...withProposal(life, change.policy.digest, { tested: change.result }), version: number }
    case 'reviewed': {
      const { by, answer, reason } = change
      return { ...withProposal(life, change.policy.digest, { review: { by, answer, reason, at } }), version: number }
    }
    case 'activated':
    case 'rolled_back': {
      const active = { policy: change.policy, by: change.by, since: at }
      const same = life.active?.policy.digest === change.policy.digest
      return { ...life, version: number, active, previous: same ? life.previous : life.active }
    }
  }
}

function withProposal(life: Lifecycle, digest: string, news: Partial<Proposal>): Lifecycle {
  const proposals = life.proposals.map((each) => (each.policy.digest === digest ? { ...each, ...news } : each))
  return { ...life, proposals }
}

/** Throws PolicyError ERR_POLICY_UNKNOWN. */
export function proposalOf(life: Lifecycle, digest: string): Proposal {
  const proposal = life.proposals.find(({ policy }) => policy.digest === digest)
  if (proposal !== undefined) return proposal
  throw new PolicyError('ERR_POLICY_UNKNOWN', `no bundle of digest ${digest} is proposed: propose it first`)
}

/** The digests of the bundles that must be kept: anything in force, what a rollback needs, what may yet be activated. */
export function kept({ active, previous, proposals }: Lifecycle): ReadonlySet<string> {
  const named = [active?.policy.digest, previous?.policy.digest, ...proposals.map(({ policy }) => policy.digest)]
  return new Set(named.filter((digest) => digest !== undefined))
}
