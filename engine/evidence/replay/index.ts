/** Replay: a session's evidence out of a directory, what it tells, and whether it holds. */
export type { Answer, Cell, Column } from './answer.ts'
export { checkSession, type Check, type CheckState, type SessionCheck } from './check.ts'
export { collectSession, MAX_SESSION_BYTES } from './collect.ts'
export type { Hold, HoldAnswer } from './hold.ts'
export { replayOf, type Replay } from './replay.ts'
export { entriesOf, type SessionEvidence } from './session-evidence.ts'
export { listSessions, type SessionSummary } from './sessions.ts'
export type { Step } from './step.ts'
