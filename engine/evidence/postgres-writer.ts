import { EvidenceError } from '../errors.ts'
import { NO_LEAF } from './merkle.ts'
import type { PostgresSession } from './postgres-session.ts'
import type { Batch, LineWriter } from './store.ts'

/**
 * One batch is one statement is one transaction: all of it or nothing. It writes only as the session that holds the
 * instance's lock (a pooler between would hand it to another) and only while nobody has ended this writer.
 */
const WRITE = `WITH writer AS (SELECT number FROM evidence_writers WHERE number = $1 AND NOT ended AND pg_backend_pid() = $2),
  record AS (SELECT line, n FROM unnest(string_to_array($3, E'\\n')) WITH ORDINALITY AS split (line, n)),
  frame AS (SELECT line, n FROM unnest(string_to_array($6, E'\\n')) WITH ORDINALITY AS split (line, n)),
  written AS (INSERT INTO evidence_lines (writer, kind, seq, prev, line)
    SELECT number, 'record', $4::bigint + n, lag(decode(substr(line, ${'{"leaf":"'.length + 1}, 64), 'hex'), 1, decode($5, 'hex'))
      OVER (ORDER BY n), line FROM writer, record
    UNION ALL SELECT number, 'frame', $7::bigint + n, NULL, line FROM writer, frame
    RETURNING 1)
  SELECT count(*)::integer AS count FROM written`

const CREATE = `INSERT INTO evidence_writers (id, instance) VALUES ($1, $2) RETURNING number, pg_backend_pid() AS pid`

export interface NewWriter {
  readonly writer: string
  readonly instance: string
  readonly place: string
}

/** One writer's lines, a statement a batch. After a failure whose effect nobody knows, it is not to be used again. */
export class PostgresWriter implements LineWriter {
  readonly #session: PostgresSession
  readonly #number: unknown
  readonly #pid: unknown
  readonly #place: string
  #records = 0
  #frames = 0
  #head: string = NO_LEAF

  private constructor(session: PostgresSession, place: string, { number, pid }: Readonly<Record<string, unknown>>) {
    this.#session = session
    this.#place = place
    this.#number = number
    this.#pid = pid
  }

  /** The session is lent: whoever holds the instance ends it. */
  static async create(session: PostgresSession, { writer, instance, place }: NewWriter): Promise<PostgresWriter> {
    const [row] = await session.query(CREATE, [writer, instance])
    return new PostgresWriter(session, place, row ?? {})
  }

  async write({ record, frame }: Batch): Promise<void> {
    const [records, frames] = [countLines(record), countLines(frame)]
    const values = [record.slice(0, -1), this.#records, this.#head, frame.slice(0, -1), this.#frames]
    try {
      const [row] = await this.#session.query(WRITE, [this.#number, this.#pid, ...values], 'countersign_write')
      const expected = records + frames
      if (row?.['count'] !== expected)
        throw new Error(
          `${String(row?.['count'])} of ${expected} lines were taken: this writer was ended by another process, or a pooler stands before the server`,
        )
    } catch (cause) {
      throw writeFailure(this.#place, cause)
    }
    this.#records += records
    this.#frames += frames
    if (records > 0) this.#head = lastLeaf(record)
  }

  async close(): Promise<void> {
    // Its session is the hold's.
  }
}

function countLines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1
  return count
}

function lastLeaf(text: string): string {
  const start = text.lastIndexOf('\n', text.length - 2) + 1 + '{"leaf":"'.length
  return text.slice(start, start + 64)
}

function writeFailure(place: string, cause: unknown): EvidenceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `${place}: evidence can't be written (${reason}); everything is refused until the gateway is started again on a sound database`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause, fatal: true })
}
