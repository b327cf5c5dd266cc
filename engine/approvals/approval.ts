import type { JsonObject, Principal } from '../access-request.ts'
import type { HoldTerms, PolicyReference } from '../verdict.ts'

/**
 * The states of a hold. `requested`: waits for answers. `granted`: enough people said yes, not used yet. The others are
 * final: `denied` by one, `expired` unanswered or unused, `withdrawn` by its client, `used` once.
 */
export type ApprovalState = 'requested' | 'granted' | 'denied' | 'expired' | 'withdrawn' | 'used'

const NEXT: Readonly<Record<ApprovalState, readonly ApprovalState[]>> = {
  requested: ['requested', 'granted', 'denied', 'expired', 'withdrawn'], // to itself: one yes of several
  granted: ['used', 'expired', 'withdrawn'],
  denied: [],
  expired: [],
  withdrawn: [],
  used: [],
}

/** Whether a hold may go from one state to another in one step. */
export function mayBecome(from: ApprovalState, to: ApprovalState): boolean {
  return NEXT[from].includes(to)
}

/** Whether a hold can still come to anything. */
export function isOpen(state: ApprovalState): boolean {
  return NEXT[state].length > 0
}

/** One person's answer. Type aliases here, not interfaces: what is recorded must pass as JSON. */
export type Answer = {
  /** The principal id of who answered, and who vouches for it. */
  readonly by: string
  readonly issuer: string
  readonly answer: 'approve' | 'deny'
  readonly reason: string | null
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A hold and all that has been said to it. */
export type Approval = {
  readonly id: string
  /** Counts changes from 1. */
  readonly version: number
  readonly state: ApprovalState
  /** SealedRequest.digest: the only request that this approval releases. */
  readonly digest: string
  readonly requester: Pick<Principal, 'id' | 'kind' | 'act' | 'owner' | 'issuer'>
  /** Id of the decision that asked, and of the session it was made in. */
  readonly decision: string
  readonly session: string
  readonly policy: Pick<PolicyReference, keyof PolicyReference>
  readonly rule: string
  readonly message: string
  readonly terms: Pick<HoldTerms, keyof HoldTerms>
  /** What an approver sees of the request; masked by whoever drafted it. */
  readonly summary: JsonObject
  /** Milliseconds since 1970. */
  readonly requestedAt: number
  readonly expiresAt: number
  readonly answers: readonly Answer[]
}

/** A request that policy holds, on its way to becoming an approval. */
export interface ApprovalDraft {
  readonly digest: string
  readonly requester: Principal
  readonly decision: string
  readonly session: string
  readonly policy: PolicyReference
  readonly rule: string
  readonly message: string
  readonly terms: HoldTerms
  readonly summary: JsonObject
}

/** A change of a hold: `approval` as it is after it. `approval.answered` is a yes that does not suffice yet. */
export interface ApprovalEvent {
  readonly event: `approval.${ApprovalState | 'answered'}`
  readonly approval: Approval
  /** Who answered. */
  readonly by?: Principal
}
