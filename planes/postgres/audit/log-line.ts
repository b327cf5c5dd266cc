import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { parseCsvRow } from './csv.ts'
import { numberOf, objectOf, textOf } from './json-fields.ts'
import { LogClock } from './log-clock.ts'
import type { Row } from './log-rows.ts'

/** One message of the server's log, whichever form the log has. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly user: string
  readonly database: string
  readonly pid: number
  /** null over a Unix socket, and for the server's own processes. */
  readonly client: { readonly address: string; readonly port: number } | null
  /** `%c`: start and process id, each in hex. No two sessions of a server share one. */
  readonly session: string
  /** From 1 within its session, without a gap: a missing row shows. */
  readonly number: number
  /** Milliseconds since 1970, to the second: out of `session`. */
  readonly started: number
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
  /** The statement that an error is about, where the message isn't the statement itself. */
  readonly query: string
  readonly application: string
  /** The line of its file on which it begins. */
  readonly line: number
}

const SESSION = /^([0-9a-f]{6,16})\.([0-9a-f]{1,8})$/
/** PostgreSQL 12 to 18. */
const COLUMNS = { least: 23, most: 26 } as const

/** Reads rows of csvlog; undefined for one that is none. */
export function csvLine({ text, line }: Row, clock: LogClock): LogLine | undefined {
  const fields = parseCsvRow(text)
  if (fields === undefined || fields.length < COLUMNS.least || fields.length > COLUMNS.most) return undefined
  const [time = '', user = '', database = '', pid = '', from = '', session = '', number = '', , started = ''] = fields
  return lineOf(
    {
      time,
      started,
      user,
      database,
      pid: Number(pid),
      session,
      number: Number(number),
      client: clientOf(from),
      severity: fields[11] ?? '',
      sqlstate: fields[12] ?? '',
      message: fields[13] ?? '',
      query: fields[19] ?? '',
      application: fields[22] ?? '',
      line,
    },
    clock,
  )
}

/** Reads rows of jsonlog; undefined for one that is none. */
export function jsonLine({ text, line }: Row, clock: LogClock): LogLine | undefined {
  const row = parseJson(text)
  const said = (name: string): string => textOf(row[name]) ?? ''
  const port = numberOf(row['remote_port'])
  const address = textOf(row['remote_host'])
  return lineOf(
    {
      time: said('timestamp'),
      started: said('session_start'),
      user: said('user'),
      database: said('dbname'),
      pid: numberOf(row['pid']) ?? Number.NaN,
      session: said('session_id'),
      number: numberOf(row['line_num']) ?? Number.NaN,
      client: address === null || port === null ? null : { address, port },
      severity: said('error_severity'),
      sqlstate: said('state_code'),
      message: said('message'),
      query: said('statement'),
      application: said('application_name'),
      line,
    },
    clock,
  )
}

type Written = Omit<LogLine, 'time' | 'started'> & { readonly time: string; readonly started: string }

function lineOf(written: Written, clock: LogClock): LogLine | undefined {
  const [, seconds, pid] = SESSION.exec(written.session) ?? []
  if (seconds === undefined || pid === undefined || Number.parseInt(pid, 16) !== written.pid) return undefined
  if (!Number.isSafeInteger(written.number) || written.number < 1) return undefined
  const started = Number.parseInt(seconds, 16) * 1000
  clock.learn(written.started, started)
  const time = clock.read(written.time)
  return time === undefined ? undefined : { ...written, time, started }
}

/** `host:port`, `[local]`, or nothing. */
function clientOf(text: string): LogLine['client'] {
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  return colon < 0 || !Number.isInteger(port) ? null : { address: text.slice(0, colon), port }
}

function parseJson(text: string): JsonObject {
  try {
    const value: JsonValue = JSON.parse(text)
    return objectOf(value)
  } catch {
    return {}
  }
}
