import { type MaskingKey, type MaskMethod, ObligationError, ProtocolError } from '../../../engine/index.ts'
import { RowFields } from '../codec/row-fields.ts'
import type { Writer } from '../codec/writer.ts'
import type { ValueMask } from './value-form.ts'
import { valueMask } from './value-mask.ts'

/** One column of a result to hide. `typeOid`: of the base type where the column has a domain. `format`: 0 text, 1 binary. */
export interface ColumnMask {
  /** Position in the row, from 0. */
  readonly index: number
  readonly method: MaskMethod
  readonly typeOid: number
  readonly format: 0 | 1
}

/** A column's mask, and what it made of the row at hand. */
interface Column {
  readonly index: number
  readonly mask: ValueMask
  /** Where the value's length field lies. */
  lengthAt: number
  end: number
  /** `in-place`: nothing to move. */
  result: Buffer | null | 'in-place'
}

/** Masks the rows of one result, one DataRow frame after another; keeps none of them. */
export class RowMasker {
  /** Values hidden so far, for each mask as given. A NULL is none. */
  readonly counts: number[]
  readonly #columns: number
  readonly #masked: readonly Column[]
  readonly #fields = new RowFields()

  /** `masks`: by ascending index, below `columns`. Throws ObligationError otherwise: a mask out of place hides nothing. */
  constructor(masks: readonly ColumnMask[], columns: number, key: MaskingKey | null) {
    for (const [position, { index }] of masks.entries()) {
      if (index <= (masks[position - 1]?.index ?? -1) || index >= columns) throw misplaced(index, columns)
    }
    this.counts = masks.map(() => 0)
    this.#columns = columns
    this.#masked = masks.map(({ index, method, typeOid, format }) => ({
      index,
      mask: valueMask(method, typeOid, format, key),
      lengthAt: 0,
      end: 0,
      result: 'in-place',
    }))
  }

  /**
   * Masks one DataRow frame: where it lies when every value keeps its length, else as a new frame at the end of `out`.
   * Throws ProtocolError when it isn't a row of this result; nothing was written to `out` then, and the frame itself may
   * be masked in part, so the caller drops it and the rest of the result.
   */
  mask(buffer: Buffer, start: number, bodyStart: number, end: number, out: Writer): 'in-place' | 'rebuilt' {
    if (this.#hide(buffer, bodyStart, end)) return 'in-place'
    out.begin(buffer[start] ?? 0)
    let from = bodyStart
    for (const { lengthAt, end: valueEnd, result } of this.#masked) {
      if (result === 'in-place') continue
      out.bytes(buffer, from, lengthAt).value(result)
      from = valueEnd
    }
    out.bytes(buffer, from, end).end()
    return 'rebuilt'
  }

  /** True when every value kept its length and the frame is masked as it lies. */
  #hide(buffer: Buffer, bodyStart: number, end: number): boolean {
    const fields = this.#fields
    fields.open(buffer, bodyStart, end)
    if (fields.count !== this.#columns) throw miscounted(this.#columns, fields.count)
    let allInPlace = true
    let position = 0
    while (fields.next()) {
      const column = this.#masked[position]
      if (column?.index !== fields.index) continue
      if (fields.length >= 0) this.counts[position] = (this.counts[position] ?? 0) + 1
      allInPlace = hideValue(column, buffer, fields.start, fields.length) && allInPlace
      position += 1
    }
    return allInPlace
  }
}

/** True when the value is hidden where it lies. */
function hideValue(column: Column, buffer: Buffer, start: number, length: number): boolean {
  column.lengthAt = start - 4
  column.end = start + Math.max(length, 0)
  column.result = length < 0 ? 'in-place' : column.mask(buffer, start, column.end)
  if (column.result instanceof Buffer && column.result.length === length) {
    column.result.copy(buffer, start)
    column.result = 'in-place'
  }
  return column.result === 'in-place'
}

function misplaced(index: number, columns: number): ObligationError {
  return new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    `masks are expected by ascending column below ${columns}, one for column ${index} stands out of place`,
  )
}

function miscounted(expected: number, found: number): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `DataRow: ${expected} columns are expected, it has ${found}`)
}
