/** Holds: asked, answered, used once. */
export { mayAnswer, type AnswerDraft } from './answering.ts'
export type { Answer, Approval, ApprovalDraft, ApprovalEvent, ApprovalState } from './approval.ts'
export { openLedger, type ApprovalLedger, type LedgerOptions } from './ledger.ts'
export { rebuild } from './rebuild.ts'
