/** Holds: asked, answered, used once. Grants: asked, answered, in force for a time. */
export { mayAnswer, obstacle } from './answering.ts'
export type { Grant, GrantSubject, Review, ReviewClosed, Revocation } from './grant.ts'
export { isSubject } from './grant.ts'
export { STATES } from './approval.ts'
export type { Answer, Approval, ApprovalDraft, ApprovalEvent, ApprovalState } from './approval.ts'
export { openLedger, type ApprovalLedger } from './ledger.ts'
export { Outbox, type Announce, type Notice } from './outbox.ts'
export { rebuild } from './rebuild.ts'
