import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import type { EntryKind } from './line.ts'
import { openPostgresOrder } from './postgres-order.ts'
import { migrateEvidence } from './postgres-schema.ts'
import {
  openPostgresSession,
  placeOf,
  type Connect,
  type PostgresAddress,
  type PostgresSession,
  type Row,
} from './postgres-session.ts'
import type { PayloadPlace } from './overwriting.ts'
import { LINES_AFTER, PostgresSource } from './postgres-source.ts'
import { PostgresWriter } from './postgres-writer.ts'
import { recordOf, type StoredRecord } from './reading.ts'
import type { EvidenceSource } from './source.ts'
import { STATE_MARKS, type EvidenceStore, type InstanceHold, type OrderStore } from './store.ts'
import type { WriterName } from './writers.ts'

/** Lines fetched at a time. */
const FETCH = 200
/** Payloads erased in one transaction. */
const ERASE = 1000
const HOLD_PATIENCE_MS = 5000
const HOLD_POLL_MS = 50

export interface PostgresStoreOptions {
  /** How sessions are opened; tests give ones that fail. */
  readonly connect?: Connect
  /** How long a held instance is asked for: a gateway that was killed and started again finds its own lock at first. */
  readonly patienceMs?: number
}

/** Evidence in a PostgreSQL database: the same lines as in files, a row each, for any number of gateways. */
export function postgresStore(address: PostgresAddress, options: PostgresStoreOptions = {}): EvidenceStore {
  return new PostgresStore(address, options)
}

class PostgresStore implements EvidenceStore {
  readonly place: string
  readonly source: EvidenceSource
  readonly #address: PostgresAddress
  readonly #connect: Connect
  readonly #patienceMs: number
  /** For questions. Opened when it is needed, and again when it was lost. */
  #reader: Promise<PostgresSession> | null = null

  constructor(
    address: PostgresAddress,
    { connect = openPostgresSession, patienceMs = HOLD_PATIENCE_MS }: PostgresStoreOptions,
  ) {
    this.place = placeOf(address)
    this.source = new PostgresSource(this.place, (text, values) => this.#ask(text, values))
    this.#address = address
    this.#connect = connect
    this.#patienceMs = patienceMs
  }

  async prepare(): Promise<void> {
    await this.#withReader((reader) => migrateEvidence(reader, this.place))
  }

  /**
   * The session that holds the lock is the one that writes: whoever loses the lock has lost the way to write, and whoever
   * gets it knows that nothing of the one before is still under way.
   */
  async hold(instance: string): Promise<InstanceHold> {
    const session = await this.#open()
    try {
      await this.#lock(session, instance)
      await session.query('UPDATE evidence_writers SET ended = true WHERE instance = $1 AND NOT ended', [instance])
    } catch (error) {
      await session.close()
      throw this.#unusable(error)
    }
    return {
      create: async (writer) => PostgresWriter.create(session, { writer, instance, place: this.place }),
      release: () => session.close(),
    }
  }

  writers(): Promise<readonly WriterName[]> {
    return this.source.writers()
  }

  async *content(kind: EntryKind, writer: string): AsyncGenerator<Buffer> {
    for (let seq = 0; ;) {
      const rows = await this.#ask(LINES_AFTER, [writer, kind, seq, FETCH])
      if (rows.length === 0) return
      yield Buffer.from(rows.map(({ line }) => `${String(line)}\n`).join(''))
      seq = Number(rows.at(-1)?.['seq'])
    }
  }

  async lastRecord(writer: string): Promise<Buffer | undefined> {
    const [row] = await this.#ask(LAST_RECORD, [writer])
    return row === undefined ? undefined : Buffer.from(String(row['line']))
  }

  async order(): Promise<OrderStore | null> {
    const session = await this.#open()
    try {
      const order = await openPostgresOrder(session, this.place)
      if (order === null) await session.close()
      return order
    } catch (error) {
      await session.close()
      throw error
    }
  }

  async ordered(writer: string): Promise<number> {
    const [row] = await this.#ask(ORDERED, [writer])
    return Number(row?.['count'] ?? 0)
  }

  async *stateChanges(): AsyncGenerator<StoredRecord> {
    for (const changesAfter of CHANGES_AFTER) {
      for (let after: readonly unknown[] = [0, 0]; ;) {
        const rows = await this.#ask(changesAfter, [...after, FETCH])
        for (const { writer, seq, line } of rows) {
          yield recordOf(Buffer.from(String(line)), `${this.place}: record ${String(seq)} of writer ${String(writer)}`)
        }
        const last = rows.at(-1)
        if (last === undefined) break
        after = [last['writer'], last['seq']]
      }
    }
  }

  async erase(kind: EntryKind, writer: string, payloads: readonly PayloadPlace[]): Promise<void> {
    for (let from = 0; from < payloads.length; from += ERASE) {
      const some = payloads.slice(from, from + ERASE)
      const [seqs, starts] = [some.map(({ seq }) => seq), some.map(({ start }) => start + 1)]
      await this.#ask(ERASE_PAYLOADS, [writer, kind, seqs, starts, some.map(({ length }) => length)])
    }
  }

  async isHeld(instance: string): Promise<boolean> {
    const [row] = await this.#ask(IS_HELD, [lockName(instance)])
    return row?.['held'] === true
  }

  async close(): Promise<void> {
    const reader = this.#reader
    this.#reader = null
    await reader?.then((session) => session.close()).catch(() => undefined)
  }

  async #lock(session: PostgresSession, instance: string): Promise<void> {
    for (let waited = 0; ; waited += HOLD_POLL_MS) {
      const [row] = await session.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS got', [
        lockName(instance),
      ])
      if (row?.['got'] === true) return
      if (waited >= this.#patienceMs) break
      await sleep(HOLD_POLL_MS)
    }
    throw new EvidenceError(
      'ERR_EVIDENCE_LOCKED',
      `${this.place}: another process writes evidence as instance "${instance}" already; stop it, or give this gateway another instance name`,
    )
  }

  #ask(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#withReader((reader) => reader.query(text, values))
  }

  // A lost session fails the question that finds it so, and no other.
  async #withReader<T>(work: (reader: PostgresSession) => Promise<T>): Promise<T> {
    const reader = (this.#reader ??= this.#open())
    try {
      return await work(await reader)
    } catch (error) {
      if (this.#reader === reader) this.#reader = null
      await reader.then((session) => session.close()).catch(() => undefined)
      throw this.#unusable(error)
    }
  }

  async #open(): Promise<PostgresSession> {
    try {
      return await this.#connect(this.#address)
    } catch (error) {
      throw this.#unusable(error)
    }
  }

  #unusable(cause: unknown): EvidenceError {
    if (cause instanceof EvidenceError) return cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${this.place}: can't be used for evidence (${reason}); it must be a database that this role can connect to, and make tables in or find them made`
    // Retryable: a server that is away comes back. A start fails all the same, and is tried again by who supervises it.
    return new EvidenceError('ERR_EVIDENCE_STORE', message, { cause, fatal: true, retryable: true })
  }
}

const WRITER = '(SELECT number FROM evidence_writers WHERE id = $1)'
// The index that has these lines alone is found by the very same condition.
// One an index: see evidence_lines_approvals and its like.
const CHANGES_AFTER = STATE_MARKS.map(
  (mark) => `SELECT writer, seq, line FROM evidence_lines
  WHERE kind = 'record' AND line LIKE '%${mark}%' AND (writer, seq) > ($1::integer, $2::bigint)
  ORDER BY writer, seq LIMIT $3`,
)
// By bytes, as places are told.
const ERASE_PAYLOADS = `UPDATE evidence_lines AS entry SET line = convert_from(overlay(convert_to(line, 'UTF8')
    PLACING convert_to(rpad('null', gone.length), 'UTF8') FROM gone.start FOR gone.length), 'UTF8')
  FROM unnest($3::bigint[], $4::integer[], $5::integer[]) AS gone (seq, start, length)
  WHERE entry.writer = ${WRITER} AND kind = $2 AND entry.seq = gone.seq`
const LAST_RECORD = `SELECT line FROM evidence_lines WHERE writer = ${WRITER} AND kind = 'record'
  ORDER BY seq DESC LIMIT 1`
const ORDERED = `SELECT seq + count - 1 AS count FROM evidence_runs WHERE writer = ${WRITER} ORDER BY seq DESC LIMIT 1`
// A lock's 64 bits, as pg_locks shows them.
const IS_HELD = `SELECT EXISTS (SELECT FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 0)) AS held`

function lockName(instance: string): string {
  return `countersign/evidence/instance/${instance}`
}
