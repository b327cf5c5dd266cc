/** Holds: asked, answered, used once. */
export { mayAnswer, obstacle } from './answering.ts'
export type { Answer, Approval, ApprovalDraft, ApprovalEvent, ApprovalState } from './approval.ts'
export { openLedger, type ApprovalLedger } from './ledger.ts'
export { rebuild } from './rebuild.ts'
