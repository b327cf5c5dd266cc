import { asText, isIntent } from '../evidence/decision-record.ts'
import { readRecords, type Evidence, type StoredRecord } from '../evidence/reading.ts'
import { objectOf, type JsonValue } from './json.ts'

/** A session in a list: enough to choose one. */
export interface SessionSummary {
  readonly session: string
  /** Id of who asked, and its owner. */
  readonly who: string
  readonly owner: string | null
  readonly plane: string
  /** RFC 3339. */
  readonly openedAt: string
  readonly closedAt: string | null
  readonly statements: number
  readonly rejected: number
  readonly masked: number
  readonly held: number
}

/** Open sessions and this many newer ones are kept in memory at a time. */
const KEPT = 10_000

/** The sessions of all evidence, newest first, `limit` at most. */
export async function listSessions(evidence: Evidence, limit: number): Promise<readonly SessionSummary[]> {
  const sessions = new Map<string, Counted>()
  for await (const stored of readRecords(evidence, { mark: '"session":"' })) {
    count(sessions, stored)
    if (sessions.size > KEPT + limit) forget(sessions, limit)
  }
  return newestFirst([...sessions.values()]).slice(0, limit)
}

type Counted = { -readonly [Name in keyof SessionSummary]: SessionSummary[Name] } & { readonly decisions: Set<string> }

function count(sessions: Map<string, Counted>, { record, fields }: StoredRecord): void {
  const { session, event, decision, ts } = record
  if (session === null) return
  if (event === 'session.opened')
    sessions.set(session, opened(session, record.detail?.['plane'], fields['principal'], ts))
  const counted = sessions.get(session)
  if (counted === undefined) return
  if (event === 'session.closed') {
    counted.closedAt = ts
    counted.decisions.clear()
  }
  if (decision === null || !event.startsWith('decision.')) return
  if (event === 'decision.hold') counted.held += 1
  if (event === 'decision.reject') counted.rejected += 1
  if (event === 'decision.mask') counted.masked += 1
  if (counted.decisions.has(decision)) return
  counted.statements += 1
  if (!isIntent(event)) counted.decisions.add(decision) // one that was held is decided again
}

function opened(session: string, plane: unknown, principal: JsonValue | undefined, ts: string): Counted {
  const { id, owner } = objectOf(principal)
  const none = { statements: 0, rejected: 0, masked: 0, held: 0, decisions: new Set<string>() }
  const who = { who: asText(id) ?? 'unknown', owner: asText(owner), plane: asText(plane) ?? '' }
  return { session, ...who, openedAt: ts, closedAt: null, ...none }
}

function forget(sessions: Map<string, Counted>, limit: number): void {
  const closed = [...sessions.values()].filter(({ closedAt }) => closedAt !== null)
  for (const { session } of newestFirst(closed).slice(limit)) sessions.delete(session)
}

function newestFirst<T extends SessionSummary>(sessions: readonly T[]): readonly T[] {
  return sessions.toSorted((one, other) => (one.openedAt < other.openedAt ? 1 : -1))
}
