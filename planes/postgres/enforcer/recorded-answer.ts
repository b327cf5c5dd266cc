import { isUtf8 } from 'node:buffer'
import { createHash, hash, type Hash } from 'node:crypto'
import type { JsonObject } from '../../../engine/index.ts'
import { RowFields } from '../codec/row-fields.ts'
import type { AnswerColumn } from './answer-columns.ts'

/** Bytes of rows that a recording keeps of one answer; a digest covers all of them. */
const KEPT_BYTES = 64 * 1024
/** Bytes of rows in one frame of the recording, so that it stays under an entry's size as JSON. */
const FRAME_BYTES = 8 * 1024

const NOTHING = Buffer.alloc(0)

type Cell = string | null | { readonly base64: string }

/** The rows of one answer as the agent sees them, on their way into the recording. */
export class RecordedAnswer {
  readonly #fields = new RowFields()
  /** An answer that came in one small run of bytes is hashed at its end, in one call; then there is none. */
  #digest: Hash | null = null
  #first: Buffer | null = null
  /** Rows that lie one behind the other and are not in the digest yet. */
  #run: ArrayBufferLike | null = null
  #runStart = 0
  #runEnd = 0
  readonly #formats: readonly number[]
  /** Told in the first frame; null from then on, and for a statement that returns no rows. */
  #columns: readonly AnswerColumn[] | null
  #cells: Cell[][] = []
  #pendingBytes = 0
  #kept = 0
  #rows = 0
  #bytes = 0

  /** Result formats as Bind gave them: none, one for all, or one a column. */
  constructor(formats: readonly number[], columns: readonly AnswerColumn[] | null) {
    this.#formats = formats
    this.#columns = columns
  }

  /** Before the first row: the columns are these. */
  name(columns: readonly AnswerColumn[]): void {
    this.#columns = columns
  }

  get rows(): number {
    return this.#rows
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Takes one masked DataRow frame, whose bytes must stay as they are until `take` or `finish`. True when enough has
   * gathered for a frame of the recording.
   */
  row(buffer: Buffer, start: number, bodyStart: number, end: number): boolean {
    if (!this.#admit(buffer, start, end)) return false
    this.#cells.push(this.#decode(buffer, bodyStart, end))
    return this.#pendingBytes >= FRAME_BYTES
  }

  /** Takes one CopyData frame, which may hold a row, several, or a part of one: recorded as one cell. As `row` does. */
  copied(buffer: Buffer, start: number, bodyStart: number, end: number): boolean {
    if (!this.#admit(buffer, start, end)) return false
    this.#cells.push([textOrBytes(buffer.subarray(bodyStart, end))])
    return this.#pendingBytes >= FRAME_BYTES
  }

  /** Counts it; whether it is kept. What is kept has no gap. */
  #admit(buffer: Buffer, start: number, end: number): boolean {
    this.#rows += 1
    this.#bytes += end - start
    this.#lengthen(buffer, start, end)
    if (this.#kept < this.#bytes - (end - start) || this.#bytes > KEPT_BYTES) return false
    this.#kept = this.#bytes
    this.#pendingBytes += end - start
    return true
  }

  /** The rows gathered since the last call; null when there are none. */
  take(): JsonObject | null {
    this.#endRun()
    if (this.#cells.length === 0) return null
    const rows = this.#cells
    this.#cells = []
    this.#pendingBytes = 0
    return { ...this.#heading(), rows }
  }

  /**
   * The last frame: what was not taken yet, how it ended, the digest over every row, and how much of the rows was kept:
   * `whole`, a `sample` (the first ones, without a gap), or the `digest` alone.
   */
  finish(end: JsonObject): JsonObject {
    const { columns, rows } = this.take() ?? this.#heading()
    const part = this.#kept === 0 ? 'digest' : 'sample'
    const kept = this.#kept === this.#bytes ? 'whole' : part
    // In canonical JSON's order: nothing is left to sort.
    return {
      bytes: this.#bytes,
      ...(columns === undefined ? {} : { columns }),
      count: this.#rows,
      ...end,
      kept,
      ...(rows === undefined ? {} : { rows }),
      sha256: this.#sha256(),
    }
  }

  // Rows that lie one behind the other are hashed together: a call for each would cost more than its bytes do.
  #lengthen(buffer: Buffer, start: number, end: number): void {
    const { byteOffset } = buffer
    if (this.#run === buffer.buffer && this.#runEnd === byteOffset + start) {
      this.#runEnd = byteOffset + end
      return
    }
    this.#endRun()
    this.#run = buffer.buffer
    this.#runStart = byteOffset + start
    this.#runEnd = byteOffset + end
  }

  #endRun(): void {
    if (this.#run === null) return
    const rows = Buffer.from(this.#run, this.#runStart, this.#runEnd - this.#runStart)
    this.#run = null
    if (this.#digest !== null) this.#digest.update(rows)
    else if (this.#first === null && rows.length <= FRAME_BYTES) this.#first = Buffer.from(rows)
    else
      this.#digest = createHash('sha256')
        .update(this.#first ?? NOTHING)
        .update(rows)
  }

  #sha256(): string {
    return this.#digest?.digest('hex') ?? hash('sha256', this.#first ?? NOTHING, 'hex')
  }

  #heading(): JsonObject {
    const columns = this.#columns
    this.#columns = null
    return columns === null ? {} : { columns }
  }

  #decode(buffer: Buffer, bodyStart: number, end: number): Cell[] {
    const fields = this.#fields
    const cells: Cell[] = []
    fields.open(buffer, bodyStart, end)
    while (fields.next()) cells.push(this.#cell(buffer, fields))
    return cells
  }

  #cell(buffer: Buffer, { index, start, length }: RowFields): Cell {
    if (length < 0) return null
    const format = this.#formats.length === 1 ? this.#formats[0] : this.#formats[index]
    if (format === 1) return { base64: buffer.toString('base64', start, start + length) }
    return buffer.toString('utf8', start, start + length)
  }
}

/** COPY may be binary: what is no UTF-8 is kept as its bytes. */
function textOrBytes(bytes: Buffer): Cell {
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
