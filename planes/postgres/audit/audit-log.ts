import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { auditWords, type AuditWords } from './audit-class.ts'
import { readRecord, type ReadRecord, type ReadRecords } from './audit-record.ts'
import { csvRow } from './csv.ts'
import { listOf, objectOf, textOf, textsOf } from './json-fields.ts'
import { readPlace } from './upstream-place.ts'

export interface AuditLogOptions {
  readonly records: ReadRecords
  /** Milliseconds since 1970. */
  readonly from: number | null
  readonly to: number | null
}

/** SQLSTATE that clients of the gateway get for what policy refuses. */
const REFUSED = '42501'
const NOT_LOGGED = '<not logged>'
const MASKED: ReadonlySet<string> = new Set(['[masked]', '[binary]'])

interface Session {
  readonly user: string
  readonly database: string
  readonly application: string
  readonly source: string
  readonly started: number
  pid: number | null
  /** Rows, and pgAudit's statements. */
  rows: number
  statements: number
  /** Of decisions that may still fail. */
  readonly open: Map<string, { readonly text: string; readonly command: string; readonly query: string }>
}

/**
 * Evidence as rows of PostgreSQL 18's csvlog, in which pgAudit's lines stand: a line for each relation of each statement
 * that was let through (as with `pgaudit.log_relation`), an ERROR for each that was refused or that failed. Each row ends
 * in a newline. The session is evidence's own, and `detail` names decision and record, so that each can be proved.
 */
export async function* auditLog({ records, from, to }: AuditLogOptions): AsyncGenerator<string> {
  const sessions = new Map<string, Session>()
  for await (const stored of records()) {
    const record = readRecord(stored)
    const session = sessionOf(record, sessions)
    if (session === undefined) continue
    const rows = rowsOf(record, session, objectOf(stored.payload ?? undefined))
    if (record.event === 'session.closed') sessions.delete(record.session ?? '')
    if ((from === null || record.time >= from) && (to === null || record.time <= to)) yield* rows
  }
}

function sessionOf(record: ReadRecord, sessions: Map<string, Session>): Session | undefined {
  const { session: id, event, detail, fields, time } = record
  if (id === null) return undefined
  if (event === 'session.opened' && detail['plane'] === 'postgres') {
    const client = objectOf(detail['client'])
    sessions.set(id, {
      user: textOf(objectOf(fields['principal'])['id']) ?? '',
      database: textOf(client['database']) ?? '',
      application: textOf(client['application']) ?? '',
      source: textOf(detail['source']) ?? '',
      started: time,
      pid: null,
      rows: 0,
      statements: 0,
      open: new Map(),
    })
  }
  const session = sessions.get(id)
  if (session !== undefined && event === 'upstream.connected') session.pid = readPlace(detail)?.pid ?? null
  return session
}

function rowsOf(record: ReadRecord, session: Session, payload: JsonObject): readonly string[] {
  switch (record.event) {
    case 'session.opened':
      return [
        row(record, session, { message: `connection authorized: user=${session.user} database=${session.database}` }),
      ]
    case 'session.closed':
      return [row(record, session, { message: `disconnection: user=${session.user} database=${session.database}` })]
    case 'decision.forward':
    case 'decision.mask': {
      const rows = executed(record, session, payload)
      const status = textOf(objectOf(record.fields['outcome'])['status'])
      if (status === 'ok') session.open.delete(record.decision ?? '')
      return status === 'failed' ? [...rows, ...failed(record, session)] : rows // answered at once
    }
    case 'decision.reject':
      return [refused(record, session, payload)]
    case 'outcome.ok':
      session.open.delete(record.decision ?? '')
      return []
    case 'outcome.failed':
    case 'outcome.unknown':
      return failed(record, session)
    default:
      return []
  }
}

interface Statement extends AuditWords {
  readonly text: string
  readonly parameters: string
}

function statementOf({ fields }: ReadRecord, payload: JsonObject): Statement {
  const block = objectOf(payload['block'])
  const name = textOf(objectOf(fields['action'])['name']) ?? ''
  const words = auditWords(textOf(block['kind']) ?? name.replace(/^postgres\./, ''))
  return { ...words, text: textOf(block['statement']) ?? NOT_LOGGED, parameters: parametersOf(block['parameters']) }
}

/** As pgAudit's `log_parameter` has them: a row of CSV; what evidence doesn't hold is not logged here either. */
function parametersOf(value: JsonValue | undefined): string {
  if (value === undefined) return NOT_LOGGED
  const values = listOf(value)
  if (values.length === 0) return '<none>'
  return csvRow(values.map((each) => (typeof each === 'string' && MASKED.has(each) ? NOT_LOGGED : textOf(each))))
}

function executed(record: ReadRecord, session: Session, payload: JsonObject): readonly string[] {
  const { fields, decision } = record
  if (textOf(objectOf(fields['action'])['name']) === 'postgres.parse') return [] // pgAudit knows only what runs
  const statement = statementOf(record, payload)
  session.statements += 1
  const { text, command } = statement
  if (decision !== null) session.open.set(decision, { text, command, query: text })
  const relations = listOf(fields['resources']).map((each) => relationOf(objectOf(each), statement))
  const lines = relations.length === 0 ? [{ ...statement, type: '', name: '' }] : relations
  return lines.map((line) => {
    const { type, name, parameters } = { ...statement, ...line }
    const fieldsOf = ['SESSION', session.statements, 1, line.class, line.command, type, name, text, parameters]
    const message = `AUDIT: ${csvRow(fieldsOf.map((field) => (field === '' ? null : field)))}`
    return row(record, session, { message, command })
  })
}

/** The one that is written has the statement's own class; those it reads from, READ. */
function relationOf(
  resource: JsonObject,
  statement: Statement,
): AuditWords & { readonly type: string; readonly name: string } {
  const type = (textOf(resource['type']) ?? '').replaceAll('-', ' ').toUpperCase()
  const name = textOf(resource['name']) ?? ''
  const parts = listOf(resource['parts']).map((part) => textsOf(objectOf(part)['uses']))
  const readOnly = parts.length > 0 && parts.every((uses) => !uses.includes('written'))
  const source = statement.class === 'WRITE' && readOnly && statement.command === 'INSERT'
  return source
    ? { class: 'READ', command: 'SELECT', type, name }
    : { class: statement.class, command: statement.command, type, name }
}

function refused(record: ReadRecord, session: Session, payload: JsonObject): string {
  const { text, command } = statementOf(record, payload)
  const rule = textOf(objectOf(listOf(record.fields['reasons'])[0])['rule']) ?? 'policy'
  const message = `refused by policy: ${rule}`
  return row(record, session, { severity: 'ERROR', sqlstate: REFUSED, message, command, query: text })
}

function failed(record: ReadRecord, session: Session): readonly string[] {
  const decision = record.decision ?? ''
  const open = session.open.get(decision)
  session.open.delete(decision)
  if (open === undefined) return []
  const sqlstate = textOf(objectOf(record.fields['outcome'])['error']) ?? 'XX000'
  const message = record.event === 'outcome.unknown' ? 'outcome unknown: in doubt' : 'the statement failed'
  return [row(record, session, { severity: 'ERROR', sqlstate, message, command: open.command, query: open.query })]
}

interface Told {
  readonly message: string
  readonly severity?: string
  readonly sqlstate?: string
  readonly command?: string
  readonly query?: string
}

/** The columns of PostgreSQL 18's csvlog, in its order. */
function row(record: ReadRecord, session: Session, told: Told): string {
  session.rows += 1
  const { decision, id } = record
  const { severity = 'LOG', sqlstate = '00000', message, command = '', query } = told
  const detail = decision === null ? `record ${id}` : `decision ${decision}, record ${id}`
  const where = [null, null, null, null] // hint, internal query and its position, context
  return `${csvRow([
    timestamp(record.time),
    session.user,
    session.database,
    session.pid,
    session.source === '' ? null : session.source,
    record.session,
    session.rows,
    command,
    timestamp(session.started).replace(/\.\d+/, ''),
    null, // virtual transaction
    null, // transaction
    severity,
    sqlstate,
    message,
    detail,
    ...where,
    query ?? null,
    null, // position in it
    null, // location
    session.application,
    'client backend',
    null, // leader
    null, // query id
  ])}\n`
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC')
}
