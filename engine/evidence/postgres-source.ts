import { EvidenceError } from '../errors.ts'
import type { EntryKind } from './line.ts'
import { runOf } from './postgres-order.ts'
import type { Row } from './postgres-session.ts'
import type { Run } from './sequence.ts'
import type { EvidenceSource, FrameStretch, LinePlace, LineSource, PlacedLine } from './source.ts'
import { namesOf, type WriterName } from './writers.ts'

/** Lines fetched at a time, and runs. */
const FETCH = 200
const FETCH_RUNS = 2000

type Ask = (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>

/** Evidence in a database, a question at a time. */
export class PostgresSource implements EvidenceSource {
  readonly place: string
  readonly #ask: Ask

  constructor(place: string, ask: Ask) {
    this.place = place
    this.#ask = ask
  }

  async writers(): Promise<readonly WriterName[]> {
    const rows = await this.#ask('SELECT id FROM evidence_writers')
    return namesOf(rows.map(({ id }) => `${String(id)}.ndjson`))
  }

  lines(kind: EntryKind, writer: string): LineSource {
    return new PostgresLines(this.place, kind, writer, this.#ask)
  }

  async linesAfter(kind: EntryKind, writer: string, place: LinePlace): Promise<readonly PlacedLine[]> {
    return (await this.#ask(LINES_AFTER, [writer, kind, place.seq, FETCH])).map(placedLine)
  }

  async *linesAt(kind: EntryKind, writer: string, places: readonly LinePlace[]): AsyncGenerator<PlacedLine> {
    for (let from = 0; from < places.length; from += FETCH) {
      const seqs = places.slice(from, from + FETCH).map(({ seq }) => seq + 1)
      for (const row of await this.#ask(LINES_AT, [writer, kind, seqs])) yield placedLine(row)
    }
  }

  async framesAfter(writer: string, before: LinePlace): Promise<FrameStretch | null> {
    const [row] = await this.#ask(FRAMES_AFTER, [writer, before.seq, FETCH])
    const { last, sessions } = row ?? {}
    if (last === null || last === undefined || !Array.isArray(sessions)) return null
    return { before, after: { seq: Number(last), at: 0 }, sessions: new Set(sessions.map(String)) }
  }

  async *runs(): AsyncGenerator<Run> {
    for (let after = -1; ;) {
      const runs = (await this.#ask(RUNS_AFTER, [after, FETCH_RUNS])).map(runOf)
      yield* runs
      const last = runs.at(-1)
      if (last === undefined) return
      after = last.index
    }
  }

  async leavesOf(writer: string, seqs: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#ask(LEAVES_OF, [writer, seqs])
    return new Map(rows.map(({ seq, leaf }) => [Number(seq), Number(leaf)]))
  }

  async document(name: string): Promise<string | undefined> {
    const [row] = await this.#ask('SELECT body FROM evidence_documents WHERE name = $1', [name])
    return row === undefined ? undefined : String(row['body'])
  }

  readonly tile = async (path: string): Promise<Buffer | undefined> => {
    const [row] = await this.#ask('SELECT hashes FROM evidence_tiles WHERE path = $1', [path])
    const hashes = row?.['hashes']
    return Buffer.isBuffer(hashes) ? hashes : undefined
  }
}

class PostgresLines implements LineSource {
  readonly #place: string
  readonly #kind: EntryKind
  readonly #writer: string
  readonly #ask: Ask
  #rows: readonly Row[] = []
  #at = 0
  #seq = 0

  constructor(place: string, kind: EntryKind, writer: string, ask: Ask) {
    this.#place = place
    this.#kind = kind
    this.#writer = writer
    this.#ask = ask
  }

  get where(): string {
    return `${this.#place}: ${this.#kind} ${this.#seq} of ${this.#writer}`
  }

  async next(): Promise<Buffer | undefined> {
    if (this.#at === this.#rows.length) {
      this.#rows = await this.#ask(LINES_AFTER, [this.#writer, this.#kind, this.#seq, FETCH])
      this.#at = 0
    }
    const row = this.#rows[this.#at]
    if (row === undefined) return undefined
    this.#at += 1
    this.#seq += 1
    if (Number(row['seq']) === this.#seq) return Buffer.from(String(row['line']))
    const message = `${this.where}: expected that line; found ${String(row['seq'])} behind the one before; bring a copy into a directory with countersign evidence pull, and verify that`
    throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
  }
}

function placedLine({ seq, line }: Row): PlacedLine {
  const number = Number(seq)
  return { line: Buffer.from(String(line)), before: { seq: number - 1, at: 0 }, after: { seq: number, at: 0 } }
}

const WRITER = '(SELECT number FROM evidence_writers WHERE id = $1)'
export const LINES_AFTER: string = `SELECT seq, line FROM evidence_lines WHERE writer = ${WRITER} AND kind = $2 AND seq > $3
  ORDER BY seq LIMIT $4`
const LINES_AT = `SELECT seq, line FROM evidence_lines WHERE writer = ${WRITER} AND kind = $2 AND seq = ANY ($3::bigint[])
  ORDER BY seq`
// As sessionOfFrame does it.
const FRAMES_AFTER = `SELECT max(seq) AS last, array_agg(DISTINCT session) FILTER (WHERE session <> '') AS sessions FROM
  (SELECT seq, split_part(substr(line, strpos(line, '"session":"') + 11, 256), '"', 1) AS session FROM evidence_lines
   WHERE writer = ${WRITER} AND kind = 'frame' AND seq > $2 ORDER BY seq LIMIT $3) AS frames`
const RUNS_AFTER = `SELECT index, id AS writer, seq, count FROM evidence_runs JOIN evidence_writers ON number = writer
  WHERE index > $1 ORDER BY index LIMIT $2`
const LEAVES_OF = `SELECT asked.seq, run.index + asked.seq - run.seq AS leaf FROM unnest($2::bigint[]) AS asked (seq),
  LATERAL (SELECT index, seq, count FROM evidence_runs WHERE writer = ${WRITER} AND evidence_runs.seq <= asked.seq
    ORDER BY evidence_runs.seq DESC LIMIT 1) AS run
  WHERE asked.seq < run.seq + run.count`
