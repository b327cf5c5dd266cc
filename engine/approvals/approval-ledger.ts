import type { GrantSeen, Principal } from '../access-request.ts'
import type { AnswerDraft } from './answering.ts'
import type { Approval, ApprovalDraft, ApprovalEvent, ApprovalState } from './approval.ts'
import type { ReviewDraft, RevocationDraft } from './ending.ts'
import type { Announce } from './outbox.ts'

/** Holds and their answers: durable before anything is told, used once. Every failure refuses. */
export interface ApprovalLedger {
  /** A new hold; or the open one that the same requester has for the same request under the same policy. */
  request(draft: ApprovalDraft): Promise<Approval>
  /** Throws ApprovalError, one code per rule that is broken. */
  answer(id: string, draft: AnswerDraft): Promise<Approval>
  /** Resolves when the hold is no longer `requested`; rejects with the signal's reason when that is aborted first. */
  settled(id: string, signal: AbortSignal): Promise<Approval>
  /** Spends a granted approval; durable when it resolves, and of any number of callers only one sees it resolve. */
  use(id: string, digest: string): Promise<Approval>
  /** For a client that goes away. Does nothing to a hold that is settled, or that another client still waits on. */
  withdraw(id: string): Promise<void>
  get(id: string): Promise<Approval | null>
  /** Newest first, at most 1,000. */
  list(filter?: ListFilter): Promise<readonly Approval[]>
  /** A grant that is in force from here on, unanswered, and whose review is due when the draft's terms expire. */
  breakGlass(draft: ApprovalDraft): Promise<Approval>
  /** Ends a grant, or takes back the question. */
  revoke(id: string, draft: RevocationDraft): Promise<Approval>
  /** Closes the review of a break-glass. */
  review(id: string, draft: ReviewDraft): Promise<Approval>
  /** The grants that a principal has now; at once, for a decision. */
  grantsOf(principal: Principal): readonly GrantSeen[]
  /** Ends all waiting. The database stays its opener's to close. */
  close(): Promise<void>
}

export interface ListFilter {
  readonly state?: ApprovalState
  readonly kind?: 'hold' | 'grant'
  readonly requester?: Pick<Principal, 'id' | 'issuer'>
}

export interface LedgerOptions {
  /** Milliseconds since 1970. */
  now(): number
  newId(): string
  /** The evidence writer that the journal writes as: what it has claimed is settled when it is over. */
  readonly writer: string
  /** Where other gateways change holds too: milliseconds from one look at what they did to the next. */
  readonly followMs?: number
  /** What other programs are told of a change, and which: part of the change. */
  readonly announce?: Announce
  /** Digest of the policy in force: a grant that an earlier one asked for is not given under this one. */
  policyInForce?(): string
  /** The evidence log. A change takes place after this has resolved, and not at all when it rejects. */
  journal(event: ApprovalEvent): Promise<void>
}
