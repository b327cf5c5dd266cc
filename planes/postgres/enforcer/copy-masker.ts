import { type MaskingKey, ObligationError, ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyForm } from '../normalizer/index.ts'
import { BinaryRows } from './copy-binary.ts'
import { CsvRows } from './copy-csv.ts'
import type { CopyMasks, CopyRows } from './copy-rows.ts'
import { TextRows } from './copy-text.ts'
import type { ColumnMask } from './row-masker.ts'
import { valueMask } from './value-mask.ts'

const FIRST_ALLOCATION = 64 * 1024
const NOTHING: Buffer = Buffer.alloc(0)

/** Masks what one COPY hands out, however its rows are cut into messages. Holds at most the row that is not whole yet. */
export class CopyMasker {
  /** Values hidden so far, for each mask as given. A NULL is none. */
  readonly counts: number[]
  readonly #rows: CopyRows
  readonly #maxRowBytes: number
  /** The beginning of a row, the first `#length` bytes of it; `#seen` of them were looked at. */
  #held: Buffer = NOTHING
  #length = 0
  #seen = 0

  constructor(
    masks: readonly ColumnMask[],
    columns: number,
    form: CopyForm,
    how: { readonly key: MaskingKey | null; readonly maxRowBytes: number },
  ) {
    const at: CopyMasks['at'][number][] = Array.from({ length: columns })
    const positions = new Map<number, number>()
    for (const [position, { index, method, typeOid, format }] of masks.entries()) {
      if (index < 0 || index >= columns || positions.has(index)) throw misplaced(index)
      at[index] = valueMask(method, typeOid, format, how.key)
      positions.set(index, position)
    }
    this.counts = masks.map(() => 0)
    this.#maxRowBytes = how.maxRowBytes
    this.#rows = rowsOf(form, {
      columns,
      at,
      count: (column) => {
        const position = positions.get(column) ?? 0
        this.counts[position] = (this.counts[position] ?? 0) + 1
      },
    })
  }

  /** Takes the data of one message; writes the rows that end in it. */
  take(buffer: Buffer, start: number, end: number, out: Writer): void {
    if (this.#length === 0) return this.#hold(buffer, this.#maskAll(buffer, start, 0, end, out), end)
    this.#hold(buffer, start, end)
    const rest = this.#maskAll(this.#held, 0, this.#seen, this.#length, out)
    this.#held.copy(this.#held, 0, rest, this.#length)
    this.#length -= rest
    this.#seen = this.#length
    if (this.#length === 0) this.#held = NOTHING // a large row's memory goes with it
  }

  /** The server says that this was all. Throws ProtocolError where a row has not ended. */
  finish(): void {
    if (this.#length > 0 || !this.#rows.complete)
      throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'CopyData: the rows end within one')
  }

  /** Where the first row begins that is not whole. */
  #maskAll(buffer: Buffer, start: number, seen: number, end: number, out: Writer): number {
    let at = start
    for (let from = seen; ; from = 0) {
      const rowEnd = this.#rows.rowEnd(buffer, at, Math.max(at, from), end)
      if (rowEnd === -1) return at
      this.#rows.mask(buffer, at, rowEnd, out)
      at = rowEnd
    }
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > this.#maxRowBytes)
      throw new ProtocolError('ERR_PROTOCOL_FRAME_LENGTH', `CopyData: a row has more than ${this.#maxRowBytes} bytes`)
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(length * 2, FIRST_ALLOCATION))
      this.#held.copy(grown, 0, 0, this.#length)
      this.#held = grown
    }
    if (this.#length === 0) this.#seen = end - start
    buffer.copy(this.#held, this.#length, start, end)
    this.#length = length
  }
}

function rowsOf(form: CopyForm, masks: CopyMasks): CopyRows {
  switch (form.kind) {
    case 'text':
      return new TextRows(form, masks)
    case 'csv':
      return new CsvRows(form, masks)
    case 'binary':
      return new BinaryRows(masks)
  }
}

function misplaced(index: number): ObligationError {
  return new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `a mask for column ${index} of a COPY stands out of place`)
}
