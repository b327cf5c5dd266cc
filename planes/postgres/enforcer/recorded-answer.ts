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
  /** Over every row from the second one on; an answer of one row or none is hashed at its end, in one call. */
  #digest: Hash | null = null
  #first: Buffer | null = null
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

  get rows(): number {
    return this.#rows
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Takes one masked DataRow frame. True when enough has gathered for a frame of the recording. */
  row(buffer: Buffer, start: number, bodyStart: number, end: number): boolean {
    return this.#take(buffer, start, end, () => this.#decode(buffer, bodyStart, end))
  }

  /** Takes one CopyData frame, which may hold a row, several, or a part of one: recorded as one cell. As `row` does. */
  copied(buffer: Buffer, start: number, bodyStart: number, end: number): boolean {
    return this.#take(buffer, start, end, () => [textOrBytes(buffer.subarray(bodyStart, end))])
  }

  #take(buffer: Buffer, start: number, end: number, decode: () => Cell[]): boolean {
    this.#rows += 1
    this.#bytes += end - start
    this.#fold(buffer.subarray(start, end))
    if (this.#kept < this.#bytes - (end - start) || this.#bytes > KEPT_BYTES) return false // what is kept has no gap
    this.#kept = this.#bytes
    this.#pendingBytes += end - start
    this.#cells.push(decode())
    return this.#pendingBytes >= FRAME_BYTES
  }

  /** The rows gathered since the last call; null when there are none. */
  take(): JsonObject | null {
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
    const rest = this.take() ?? this.#heading()
    const part = this.#kept === 0 ? 'digest' : 'sample'
    const kept = this.#kept === this.#bytes ? 'whole' : part
    return { ...rest, ...end, count: this.#rows, bytes: this.#bytes, sha256: this.#sha256(), kept }
  }

  #fold(row: Buffer): void {
    if (this.#digest !== null) this.#digest.update(row)
    else if (this.#first === null && row.length <= FRAME_BYTES) this.#first = Buffer.from(row)
    else
      this.#digest = createHash('sha256')
        .update(this.#first ?? NOTHING)
        .update(row)
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
