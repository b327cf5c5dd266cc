/** The part of this room that a page is made with: what a session's evidence tells, and whether it holds. No Node in it. */
export type { Answer, Cell, Column } from './answer.ts'
export { checkSession, type Check, type CheckState, type SessionCheck } from './check.ts'
export type { Hold } from './hold.ts'
export { replayOf, type PolicyInForce, type Replay } from './replay.ts'
export { entriesOf, parseSessionEvidence, type SessionEvidence } from './session-evidence.ts'
export type { Step } from './step.ts'
export {
  cellText,
  copiedLines,
  duration,
  holdState,
  keptOf,
  offset,
  outcomeOf,
  reasonLines,
  TAGS,
  tagsOf,
  utc,
  VERDICTS,
  visible,
  visibleLines,
  writtenLines,
  type Tag,
} from './wording.ts'
export { readPublicKey } from './note.ts'
