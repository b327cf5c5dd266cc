import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { EVENT_NAMES, recordOf, type EvidenceSource, type LinePlace } from '../evidence/index.ts'
import { asObject, fieldsOf } from './entry.ts'
import type { Family } from './family.ts'
import type { EventCount, Page, RecordRow } from './questions.ts'

type Row = Readonly<Record<string, SQLOutputValue>>

const PLACES = 'r.n, w.id AS writer, r.seq, r.at FROM records r JOIN writers w ON w.n = r.writer'
/** A decision has a handful; one that people answered again and again is cut off there. */
const MOST_OF_ONE_DECISION = 200
/** Sets of controls with one control in them; each is looked into for its newest. */
const MOST_CITATIONS = 1_000

/** The whole records of one decision, read from where they stand. */
export async function recordsOf(
  database: DatabaseSync,
  source: EvidenceSource,
  decision: string,
  withPayload: boolean,
): Promise<readonly RecordRow[]> {
  const rows = database
    .prepare(`SELECT ${PLACES} WHERE r.decision = (SELECT n FROM decisions WHERE id = ?) ORDER BY r.ts, r.n LIMIT ?`)
    .all(decision, MOST_OF_ONE_DECISION)
  return read(source, rows, withPayload)
}

/** Newest first. */
export async function toldOf(
  database: DatabaseSync,
  source: EvidenceSource,
  { family, cursor, limit }: { readonly family: Family; readonly cursor?: string; readonly limit: number },
): Promise<Page<RecordRow>> {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
  const rows = database
    .prepare(`SELECT ${PLACES} WHERE r.n IN
      (SELECT n FROM told WHERE family = ? AND n < ? ORDER BY n DESC LIMIT ?) ORDER BY r.n DESC`)
    .all(family, before, limit)
  const last = rows.at(-1)
  return {
    rows: await read(source, rows, false),
    next: rows.length === limit && last !== undefined ? String(last['n']) : null,
  }
}

/** The newest records that cite a control. */
export async function citedOf(
  database: DatabaseSync,
  source: EvidenceSource,
  { control, limit }: { readonly control: string; readonly limit: number },
): Promise<readonly RecordRow[]> {
  const citations = database
    .prepare('SELECT citation FROM citation_controls WHERE control = ? LIMIT ?')
    .all(control, MOST_CITATIONS)
  const newest = database.prepare('SELECT n, ts FROM records WHERE citation = ? ORDER BY ts DESC LIMIT ?')
  const found = citations
    .flatMap(({ citation }) => newest.all(Number(citation), limit))
    .toSorted((one, other) => Number(other['ts']) - Number(one['ts']) || Number(other['n']) - Number(one['n']))
    .slice(0, limit)
  const place = database.prepare(`SELECT ${PLACES} WHERE r.n = ?`)
  return read(
    source,
    found.map(({ n }) => place.get(Number(n))).filter((row) => row !== undefined),
    false,
  )
}

/** How often each event was recorded on these days, by the controls that rules named with it. Both days are included. */
export function eventsOf(database: DatabaseSync, from: string, to: string): readonly EventCount[] {
  const rows = database
    .prepare(
      `SELECT d.event, u.rules, sum(d.records) AS records FROM days d JOIN rulings u ON u.n = d.ruling
       WHERE d.day >= ? AND d.day <= ? GROUP BY d.event, d.ruling`,
    )
    .all(from, to)
  return rows.map(({ event, rules, records }) => {
    const named: readonly (readonly string[])[] = JSON.parse(String(rules))
    return {
      event: EVENT_NAMES[Number(event)] ?? '',
      named: [...new Set(named.flatMap(([, ...controls]) => controls))],
      records: Number(records),
    }
  })
}

async function read(source: EvidenceSource, rows: readonly Row[], withPayload: boolean): Promise<readonly RecordRow[]> {
  const lines = new Map<string, Buffer>()
  for (const [writer, places] of Map.groupBy(rows.map(placeOf), (place) => place.writer)) {
    for await (const { line, after } of source.linesAt('record', writer, places)) {
      lines.set(`${writer} ${after.seq}`, line)
    }
  }
  return rows.flatMap((row) => {
    const where = `record ${Number(row['seq'])} of ${String(row['writer'])}`
    const line = lines.get(`${String(row['writer'])} ${Number(row['seq'])}`)
    const fields = line === undefined ? null : fieldsOf(line)
    if (line === undefined || fields === null) return [] // a verifier says what is wrong with it
    const payload = withPayload ? (recordOf(line, where).payload ?? null) : undefined
    return { n: Number(row['n']), fields, ...(payload === undefined ? {} : { payload: asObject(payload) }) }
  })
}

function placeOf({ writer, seq, at }: Row): LinePlace & { readonly writer: string } {
  return { writer: String(writer), seq: Number(seq) - 1, at: Number(at) }
}
