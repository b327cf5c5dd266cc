/** Replay: a session's evidence out of a directory, what it tells, and whether it holds. */
export { asciicast, type CastOptions, type Scene } from './asciicast.ts'
export * from './browser.ts'
export { collectSession, MAX_SESSION_BYTES } from './collect.ts'
export { listSessions, type SessionSummary } from './sessions.ts'
