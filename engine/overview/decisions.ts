import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { DecisionFilter, DecisionRow, Page, RuleSpoken } from './questions.ts'
import { cursorText, parseCursor, Where, type Cursor } from './where.ts'

/** How far back one question looks for what its filter wants: a rare thing is found over several pages. */
const MOST_LOOKED_AT = 100_000

type Row = Readonly<Record<string, SQLOutputValue>>

const COLUMNS = `d.n, d.id, d.ts, s.id AS session, a.name AS agent, p.name AS plane, c.name AS action, r.name AS resources,
  d.verdict, d.answer, u.rules, v.name AS revision, d.approval, d.state, d.outcome, d.rows, d.error, d.decided_us, d.took_us`
const TABLES = `decisions d JOIN names a ON a.n = d.agent JOIN names p ON p.n = d.plane JOIN names c ON c.n = d.action
  JOIN names r ON r.n = d.resources JOIN rulings u ON u.n = d.ruling LEFT JOIN names v ON v.n = d.revision
  LEFT JOIN sessions s ON s.n = d.session`

/** Newest first. A page may be short of its limit, or empty, where more lies further back: `next` tells. */
export function decisionsOf(database: DatabaseSync, filter: DecisionFilter): Page<DecisionRow> {
  const where = conditions(database, filter)
  if (where.impossible) return { rows: [], next: null }
  const floor = floorOf(database, filter)
  if (floor !== null) where.add('d.ts >= ?', floor.ts)
  const rows = database
    .prepare(`SELECT ${COLUMNS} FROM ${TABLES} WHERE ${where.sql} ORDER BY d.ts DESC, d.n DESC LIMIT ?`)
    .all(...where.values, filter.limit)
  const last = rows.at(-1)
  if (rows.length === filter.limit && last !== undefined) {
    return { rows: rows.map(rowOf), next: cursorText({ ts: Number(last['ts']), n: Number(last['n']) }) }
  }
  return { rows: rows.map(rowOf), next: floor === null ? null : cursorText(floor) }
}

export function decisionOf(database: DatabaseSync, id: string): DecisionRow | null {
  const row = database.prepare(`SELECT ${COLUMNS} FROM ${TABLES} WHERE d.id = ?`).get(id)
  return row === undefined ? null : rowOf(row)
}

function conditions(database: DatabaseSync, filter: DecisionFilter): Where {
  const { verdict, agent, plane, rule, control, session, action, from, to, cursor } = filter
  const where = new Where()
    .named(database, 'd.agent', agent)
    .named(database, 'd.plane', plane)
    .named(database, 'd.action', action)
  if (verdict !== undefined) where.add('d.verdict = ?', verdict)
  if (rule !== undefined) where.add('d.ruling IN (SELECT ruling FROM ruling_rules WHERE rule = ?)', rule)
  if (control !== undefined) where.add('d.ruling IN (SELECT ruling FROM ruling_controls WHERE control = ?)', control)
  if (session !== undefined) where.add('d.session = (SELECT n FROM sessions WHERE id = ?)', session)
  if (from !== undefined) where.add('d.ts >= ?', from)
  if (to !== undefined) where.add('d.ts < ?', to)
  const before = cursor === undefined ? undefined : parseCursor(cursor)
  if (before !== undefined) where.add('(d.ts, d.n) < (?, ?)', before.ts, before.n)
  return where
}

/** The decision so many before the cursor; null where there aren't so many. Looked up in the index by time alone. */
function floorOf(database: DatabaseSync, { cursor, to }: DecisionFilter): Cursor | null {
  const before = cursor === undefined ? undefined : parseCursor(cursor)
  const top = Math.min(before?.ts ?? Number.MAX_SAFE_INTEGER, to ?? Number.MAX_SAFE_INTEGER)
  const row = database
    .prepare('SELECT ts, n FROM decisions WHERE ts <= ? ORDER BY ts DESC LIMIT 1 OFFSET ?')
    .get(top, MOST_LOOKED_AT)
  return row === undefined ? null : { ts: Number(row['ts']), n: Number(row['n']) }
}

function rowOf(row: Row): DecisionRow {
  const { named, more }: { named: readonly string[]; more: number } = JSON.parse(String(row['resources']))
  return {
    id: String(row['id']),
    at: Number(row['ts']),
    session: textOrNull(row['session']),
    agent: String(row['agent']),
    plane: String(row['plane']),
    action: String(row['action']),
    resources: named,
    more,
    verdict: String(row['verdict']),
    answer: textOrNull(row['answer']),
    rules: rulesOf(String(row['rules'])),
    revision: String(row['revision'] ?? ''),
    approval: textOrNull(row['approval']),
    state: textOrNull(row['state']),
    outcome: textOrNull(row['outcome']),
    rows: numberOrNull(row['rows']),
    error: textOrNull(row['error']),
    decidedUs: numberOrNull(row['decided_us']),
    tookUs: numberOrNull(row['took_us']),
  }
}

function rulesOf(text: string): readonly RuleSpoken[] {
  const rules: readonly (readonly string[])[] = JSON.parse(text)
  return rules.map(([rule = '', ...controls]) => ({ rule, controls }))
}

export function textOrNull(value: SQLOutputValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

export function numberOrNull(value: SQLOutputValue | undefined): number | null {
  return typeof value === 'number' ? value : null
}
