import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { numberOrNull, textOrNull } from './decisions.ts'
import type { AgentRow, Page, RuleMet, SessionFilter, SessionRow } from './questions.ts'
import { cursorText, parseCursor, Where } from './where.ts'

type Row = Readonly<Record<string, SQLOutputValue>>

const COLUMNS = `s.n, s.id, a.name AS agent, o.name AS owner, s.kind, p.name AS plane, s.source, s.opened, s.closed, s.reason,
  s.decisions, s.rejected, s.masked, s.held`
const TABLES = `sessions s JOIN names a ON a.n = s.agent JOIN names p ON p.n = s.plane LEFT JOIN names o ON o.n = s.owner`

/** Newest first. */
export function sessionsOf(database: DatabaseSync, filter: SessionFilter): Page<SessionRow> {
  const { state, agent, plane, from, to, cursor, limit } = filter
  const where = new Where().named(database, 's.agent', agent).named(database, 's.plane', plane)
  if (where.impossible) return { rows: [], next: null }
  if (state !== undefined) where.add(state === 'live' ? 's.closed IS NULL' : 's.closed IS NOT NULL')
  if (from !== undefined) where.add('s.opened >= ?', from)
  if (to !== undefined) where.add('s.opened < ?', to)
  const before = cursor === undefined ? undefined : parseCursor(cursor)
  if (before !== undefined) where.add('(s.opened, s.n) < (?, ?)', before.ts, before.n)
  const rows = database
    .prepare(`SELECT ${COLUMNS} FROM ${TABLES} WHERE ${where.sql} ORDER BY s.opened DESC, s.n DESC LIMIT ?`)
    .all(...where.values, limit)
  const last = rows.at(-1)
  const full = rows.length === limit && last !== undefined
  return {
    rows: rows.map(rowOf),
    next: full ? cursorText({ ts: Number(last['opened']), n: Number(last['n']) }) : null,
  }
}

export function sessionOf(database: DatabaseSync, id: string): SessionRow | null {
  const row = database.prepare(`SELECT ${COLUMNS} FROM ${TABLES} WHERE s.id = ?`).get(id)
  return row === undefined ? null : rowOf(row)
}

/** Who was seen at all, last seen first. */
export function agentsOf(database: DatabaseSync, limit: number): readonly AgentRow[] {
  const rows = database
    .prepare(
      `SELECT n.name AS agent, g.kind, o.name AS owner, g.first, g.last, g.forward, g.mask, g.hold, g.reject
       FROM agents g JOIN names n ON n.n = g.agent LEFT JOIN names o ON o.n = g.owner ORDER BY g.last DESC LIMIT ?`,
    )
    .all(limit)
  return rows.map((row) => ({
    agent: String(row['agent']),
    kind: String(row['kind']),
    owner: textOrNull(row['owner']),
    first: Number(row['first']),
    last: Number(row['last']),
    forward: Number(row['forward']),
    mask: Number(row['mask']),
    hold: Number(row['hold']),
    reject: Number(row['reject']),
  }))
}

const MOST_DECISIONS = 100_000

/** Which rules spoke in an agent's decisions, how often, and when last. */
export function metBy(database: DatabaseSync, agent: string): readonly RuleMet[] {
  const rows = database
    .prepare(
      `SELECT r.rule, count(*) AS decisions, max(d.ts) AS last
       FROM (SELECT ruling, ts FROM decisions WHERE agent = (SELECT n FROM names WHERE name = ?) ORDER BY ts DESC LIMIT ?) d
       JOIN ruling_rules r ON r.ruling = d.ruling GROUP BY r.rule ORDER BY r.rule`,
    )
    .all(agent, MOST_DECISIONS)
  return rows.map(({ rule, decisions, last }) => ({
    rule: String(rule),
    decisions: Number(decisions),
    last: Number(last),
  }))
}

function rowOf(row: Row): SessionRow {
  return {
    id: String(row['id']),
    agent: String(row['agent']),
    owner: textOrNull(row['owner']),
    kind: String(row['kind']),
    plane: String(row['plane']),
    source: textOrNull(row['source']),
    opened: Number(row['opened']),
    closed: numberOrNull(row['closed']),
    reason: textOrNull(row['reason']),
    decisions: Number(row['decisions']),
    rejected: Number(row['rejected']),
    masked: Number(row['masked']),
    held: Number(row['held']),
  }
}
