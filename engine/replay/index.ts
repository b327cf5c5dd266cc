/** Replay: a session's evidence out of a directory, what it tells, and whether it holds. */
export { asciicast, type Scene } from './asciicast.ts'
export * from './browser.ts'
export { collectSession } from './collect.ts'
export { listSessions, type SessionSummary } from './sessions.ts'
