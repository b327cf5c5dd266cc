import type { JsonObject, Principal } from '../access-request.ts'
import type { HoldTerms, PolicyReference } from '../verdict.ts'
import type { Grant, Review, Revocation } from './grant.ts'

/**
 * The states of a hold, and of a grant. `requested`: waits for answers. `granted`: enough people said yes; a hold is not
 * used yet, a grant is in force. The others are final: `denied` by one, `expired` unanswered, unused or (a grant) over,
 * `withdrawn` by its client, `used` once (a hold), `revoked` before its time (a grant).
 */
export type ApprovalState = 'requested' | 'granted' | 'denied' | 'expired' | 'withdrawn' | 'used' | 'revoked'

export const STATES: readonly ApprovalState[] = [
  'requested',
  'granted',
  'denied',
  'expired',
  'withdrawn',
  'used',
  'revoked',
]

// To itself: one yes of several; and what a break-glass leaves behind, its review, which outlives it.
const NEXT: Readonly<Record<ApprovalState, readonly ApprovalState[]>> = {
  requested: ['requested', 'granted', 'denied', 'expired', 'withdrawn'],
  granted: ['granted', 'used', 'expired', 'withdrawn', 'revoked'],
  denied: [],
  expired: ['expired'],
  withdrawn: [],
  used: [],
  revoked: ['revoked'],
}

/** Whether a hold may go from one state to another in one step. */
export function mayBecome(from: ApprovalState, to: ApprovalState): boolean {
  return NEXT[from].includes(to)
}

/** What evidence may tell of first: a question, or a glass that was broken. */
export function mayBegin({ state, review }: Approval): boolean {
  return state === 'requested' || (state === 'granted' && review !== undefined)
}

/** Whether a hold can still come to anything. */
export function isOpen(state: ApprovalState): boolean {
  return state === 'requested' || state === 'granted'
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
  /** Absent: it is a hold, of one request. */
  readonly grant?: Grant
  /** Of a break-glass: what people must look at afterwards. */
  readonly review?: Review
  /** Who ended a grant before its time. */
  readonly revoked?: Revocation
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
  readonly grant?: Grant
}

/** A change: `approval` as it is after it. `approval.answered` is a yes that does not suffice yet. */
export interface ApprovalEvent {
  readonly event: ApprovalEventName
  readonly approval: Approval
  /** Who answered, revoked or reviewed. */
  readonly by?: Principal
}

export type ApprovalEventName =
  | `approval.${Exclude<ApprovalState, 'revoked'> | 'answered'}`
  | 'access.granted'
  | 'access.expired'
  | 'access.revoked'
  | 'breakglass.used'
  | 'breakglass.reviewed'
  | 'breakglass.overdue'

/** What evidence calls the step from one state to another; null before it: it begins. */
export function eventOf(before: Approval | null, after: Approval): ApprovalEventName {
  const { state, review } = after
  if (before !== null && before.review !== review) {
    return review?.closed === null ? 'breakglass.overdue' : 'breakglass.reviewed'
  }
  switch (state) {
    case 'requested':
      return before === null ? 'approval.requested' : 'approval.answered'
    case 'granted':
      if (after.grant === undefined) return 'approval.granted'
      return after.grant.break_glass ? 'breakglass.used' : 'access.granted'
    case 'expired':
      return before?.state === 'granted' && after.grant !== undefined ? 'access.expired' : 'approval.expired'
    case 'revoked':
      return 'access.revoked'
    case 'denied':
    case 'withdrawn':
    case 'used':
      return `approval.${state}`
  }
}
