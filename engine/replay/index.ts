/** Replay: a session's evidence out of all there is, what it tells, and whether it holds. */
export { asciicast, type Scene } from './asciicast.ts'
export * from './browser.ts'
export { collectPlaced, collectSession } from './collect.ts'
export { listSessions, type SessionSummary } from './sessions.ts'
