import { EvidenceError } from '../errors.ts'
import { recordLeaf } from './leaf-reader.ts'
import { inTransaction, type PostgresSession, type Row } from './postgres-session.ts'
import { parseSequence, runLine, type Run, type Sequence } from './sequence.ts'
import type { LeafSource, OrderStore, StoredTile } from './store.ts'
import { namesOf, type WriterName } from './writers.ts'

/** Lines fetched at a time. */
const FETCH = 200
const LOCK = `SELECT pg_try_advisory_lock(hashtextextended('countersign/evidence/order', 0)) AS got, pg_backend_pid() AS pid`

/** The order of all records in a database, for the session that gets its lock; null while another session has it. */
export async function openPostgresOrder(session: PostgresSession, place: string): Promise<OrderStore | null> {
  const [row] = await asked(place, () => session.query(LOCK))
  return row?.['got'] === true ? new PostgresOrder(session, place, row['pid']) : null
}

/**
 * The session that holds the lock does all the writing, and each checkpoint is one transaction of it, with what it stands
 * on: so a sequencer that lost its place can't sign, and one that takes over finds no half of a pass.
 */
class PostgresOrder implements OrderStore {
  readonly place: string
  readonly #session: PostgresSession
  readonly #pid: unknown

  constructor(session: PostgresSession, place: string, pid: unknown) {
    this.place = place
    this.#session = session
    this.#pid = pid
  }

  steps<T>(work: () => Promise<T>): Promise<T> {
    return asked(this.place, () =>
      inTransaction(this.#session, 'ISOLATION LEVEL READ COMMITTED', async () => {
        const [row] = await this.#session.query('SELECT pg_backend_pid() AS pid')
        if (row?.['pid'] !== this.#pid) throw new Error('a pooler has put another session in the place of this one')
        return work()
      }),
    )
  }

  locate(name: string): string {
    return `${this.place}: log/${name}`
  }

  async document(name: string): Promise<string | undefined> {
    const [row] = await this.#ask('SELECT body FROM evidence_documents WHERE name = $1', [name])
    return row === undefined ? undefined : String(row['body'])
  }

  async publish(name: string, text: string): Promise<void> {
    const replace = 'ON CONFLICT (name) DO UPDATE SET body = excluded.body'
    await this.#ask(`INSERT INTO evidence_documents (name, body) VALUES ($1, $2) ${replace}`, [name, text])
  }

  async sequence(): Promise<Sequence> {
    const rows = await this.#ask(RUNS)
    return parseSequence(rows.map(runOf).map(runLine).join(''))
  }

  // Rows are whole or not there.
  async resume(): Promise<void> {}

  async extend(runs: readonly Run[]): Promise<void> {
    const [indexes, writers] = [runs.map(({ index }) => index), runs.map(({ writer }) => writer)]
    const [seqs, counts] = [runs.map(({ seq }) => seq), runs.map(({ count }) => count)]
    await this.#ask(EXTEND, [indexes, writers, seqs, counts])
  }

  async tile(path: string): Promise<Buffer | undefined> {
    const [row] = await this.#ask('SELECT hashes FROM evidence_tiles WHERE path = $1', [path])
    const hashes = row?.['hashes']
    return Buffer.isBuffer(hashes) ? hashes : undefined
  }

  async writeTiles(tiles: readonly StoredTile[]): Promise<void> {
    const paths = tiles.map(({ path }) => path)
    await this.#ask(WRITE_TILES, [paths, tiles.map(({ hashes }) => hashes.toString('hex'))])
  }

  async removeTiles(paths: readonly string[]): Promise<void> {
    if (paths.length > 0) await this.#ask('DELETE FROM evidence_tiles WHERE path = ANY ($1)', [paths])
  }

  async writers(): Promise<readonly WriterName[]> {
    const rows = await this.#ask('SELECT id FROM evidence_writers')
    return namesOf(rows.map(({ id }) => `${String(id)}.ndjson`))
  }

  leaves(writer: string): LeafSource {
    return new PostgresLeaves(writer, this.place, (text, values) => this.#ask(text, values))
  }

  release(): Promise<void> {
    return this.#session.close()
  }

  #ask(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return asked(this.place, () => this.#session.query(text, values))
  }
}

const RUNS = `SELECT index, id AS writer, seq, count FROM evidence_runs JOIN evidence_writers ON number = writer ORDER BY index`
const EXTEND = `INSERT INTO evidence_runs (index, writer, seq, count)
  SELECT run.index, number, run.seq, run.count
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS run (index, id, seq, count)
  LEFT JOIN evidence_writers USING (id)`
const WRITE_TILES = `INSERT INTO evidence_tiles (path, hashes)
  SELECT path, decode(hashes, 'hex') FROM unnest($1::text[], $2::text[]) AS tile (path, hashes)
  ON CONFLICT (path) DO UPDATE SET hashes = excluded.hashes`
const LEAVES = `SELECT seq, line FROM evidence_lines
  WHERE writer = (SELECT number FROM evidence_writers WHERE id = $1) AND kind = 'record' AND seq > $2
  ORDER BY seq LIMIT $3`

export function runOf({ index, writer, seq, count }: Row): Run {
  return { index: Number(index), writer: String(writer), seq: Number(seq), count: Number(count) }
}

/** A row that can be seen is committed, and what was committed by a writer of ours is on the disk. */
class PostgresLeaves implements LeafSource {
  readonly #writer: string
  readonly #place: string
  readonly #ask: (text: string, values: readonly unknown[]) => Promise<readonly Row[]>
  #seq = 0

  constructor(
    writer: string,
    place: string,
    ask: (text: string, values: readonly unknown[]) => Promise<readonly Row[]>,
  ) {
    this.#writer = writer
    this.#place = place
    this.#ask = ask
  }

  get seq(): number {
    return this.#seq
  }

  async read(limit: number, onLeaf: (leaf: Buffer) => void): Promise<void> {
    const last = this.#seq + limit
    while (this.#seq < last) {
      const rows = await this.#ask(LEAVES, [this.#writer, this.#seq, Math.min(FETCH, last - this.#seq)])
      for (const row of rows) onLeaf(this.#leaf(row))
      if (rows.length < FETCH) return
    }
  }

  #leaf({ seq, line }: Row): Buffer {
    const next = this.#seq + 1
    const leaf = Number(seq) === next ? recordLeaf(Buffer.from(String(line))) : undefined
    if (leaf === undefined) {
      const message = `${this.#place}: record ${next} of ${this.#writer}: expected a record as the log wrote it; found ${Number(seq) === next ? 'other bytes' : `record ${String(seq)}`}; keep a copy and run countersign evidence verify`
      throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
    }
    this.#seq = next
    return leaf
  }
}

// Whatever goes wrong here, the session can't be relied on any more: the place is to be asked for again.
async function asked<T>(place: string, question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    if (cause instanceof EvidenceError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${place}: the log can't be sequenced and signed (${reason}); everything is refused unless that ends soon`
    throw new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause, fatal: true, retryable: true })
  }
}
