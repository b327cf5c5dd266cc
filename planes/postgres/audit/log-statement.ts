import { parseCsvRow } from './csv.ts'
import type { LogLine } from './log-line.ts'

/**
 * By what a line tells of a statement: `log_statement` (before it runs), `log_min_duration_statement` (when it has run
 * well), pgAudit.
 */
export type Told = 'statement' | 'duration' | 'pgaudit'

export interface LoggedStatement {
  readonly told: Told
  /** As the server got it; a simple query's may hold several. */
  readonly text: string
  /** A text that begins later in the message: a prepared statement's name may hold what parts the two. */
  readonly otherText: string | null
  /** Of pgAudit: counts the session's statements; several lines may tell of one. */
  readonly statementId: string | null
  /** Of pgAudit: done by a function that the statement called. */
  readonly nested: boolean
}

const PLAIN = { statementId: null, nested: false } as const

/** What reaches the data without being a statement of SQL: still somebody's doing. */
const OTHER_COMMANDS = /^(?:fastpath function call: |received replication command: )/
const SIMPLE = /^(?:duration: [\d.]+ ms {2})?statement: /
const EXECUTE = /^(?:duration: [\d.]+ ms {2})?execute (?:fetch from )?/
const AUDIT = /^AUDIT: (?=(?:SESSION|OBJECT),)/

/** The statement that a line tells of; undefined for all other lines, those of parse and bind and bare durations among them. */
export function statementOf({ severity, message }: LogLine): LoggedStatement | undefined {
  if (severity !== 'LOG' && !message.startsWith('AUDIT: ')) return undefined
  const told = message.startsWith('duration: ') ? 'duration' : 'statement'
  const simple = SIMPLE.exec(message)
  if (simple !== null) return { told, text: message.slice(simple[0].length), otherText: null, ...PLAIN }
  const execute = EXECUTE.exec(message)
  if (execute !== null) return executed(message.slice(execute[0].length), told)
  if (OTHER_COMMANDS.test(message)) return { told: 'statement', text: message, otherText: null, ...PLAIN }
  return AUDIT.test(message) ? audited(message.slice('AUDIT: '.length)) : undefined
}

/** `<name>: <text>`; the name, and a portal's behind a slash, are the client's own words. */
function executed(rest: string, told: Told): LoggedStatement | undefined {
  const colon = rest.indexOf(': ')
  if (colon < 0) return undefined
  const text = rest.slice(colon + 2)
  const next = text.indexOf(': ')
  return { told, text, otherText: next < 0 ? null : text.slice(next + 2), ...PLAIN }
}

/** Type, statement, substatement, class, command, object type, object name, statement, parameters. */
function audited(csv: string): LoggedStatement | undefined {
  const fields = parseCsvRow(csv)
  const [, statementId, substatementId, , , , , text] = fields ?? []
  if (statementId === undefined || text === undefined) return undefined
  return { told: 'pgaudit', text, otherText: null, statementId, nested: substatementId !== '1' }
}

/** Settings without which the log is no witness any more; a line that tells of a change of one. */
const CHANGED =
  /^parameter "(log_statement|log_min_duration_statement|log_destination|logging_collector|log_min_messages|pgaudit\.[a-z_]+)" (?:changed|removed)/

export function changedSetting({ message }: LogLine): string | undefined {
  return CHANGED.exec(message)?.[1]
}

/** The server has let somebody in (log_connections). */
export function signsIn({ message, severity }: LogLine): boolean {
  return severity === 'LOG' && message.startsWith('connection authorized: ')
}
