import { type MaskingKey, type MaskMethod, ObligationError, ProtocolError } from '../../../engine/index.ts'
import { assertRowEnd, columnCount, fieldLength } from '../codec/row-fields.ts'
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
  /** `in-place`: it stays as it lies. */
  result: Buffer | null | 'in-place'
}

/** What `mask` says of a row that outgrew its place. */
export const REBUILT: number = -1

/** Masks the rows of one result, one DataRow frame after another; keeps none of them. */
export class RowMasker {
  /** Values hidden so far, for each mask as given. A NULL is none. */
  readonly counts: number[]
  readonly #columns: number
  readonly #masked: readonly Column[]

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
   * Masks one DataRow frame and moves it to `toward`, which is `start` or lies before it, where nothing is needed any
   * more: rows that shrink stay one run of bytes. Gives where it then ends, or REBUILT where it stands at the end of
   * `out` instead, because it would have written over what was still to be read. Throws ProtocolError when it isn't a row
   * of this result; nothing was written to `out` then, and the frame itself may be masked in part, so the caller drops it
   * and the rest of the result.
   */
  mask(buffer: Buffer, start: number, bodyStart: number, end: number, toward: number, out: Writer): number {
    const to = toward + bodyStart - start
    if (!this.#hide(buffer, bodyStart, end, to)) return this.#rebuild(buffer, start, bodyStart, end, out)
    const type = buffer[start] ?? 0
    const movedEnd = this.#move(buffer, bodyStart, end, to)
    if (toward !== start || movedEnd !== end) {
      buffer[toward] = type
      buffer.writeInt32BE(movedEnd - toward - 1, toward + 1)
    }
    return movedEnd
  }

  /** True where what the masks made of the values leaves the body room in its place, moved to `to`. */
  #hide(buffer: Buffer, bodyStart: number, end: number, to: number): boolean {
    const columns = columnCount(buffer, bodyStart, end)
    if (columns !== this.#columns) throw miscounted(this.#columns, columns)
    let fits = true
    let moves = bodyStart - to
    let position = 0
    let at = bodyStart + 2
    for (let index = 0; index < columns; index += 1) {
      const length = fieldLength(buffer, at, end)
      const valueEnd = at + 4 + Math.max(length, 0)
      const column = this.#masked[position]
      if (column?.index === index) {
        if (length >= 0) this.counts[position] = (this.counts[position] ?? 0) + 1
        moves += hideValue(column, buffer, at, valueEnd, length)
        fits &&= moves >= 0
        position += 1
      }
      at = valueEnd
    }
    assertRowEnd(at, end)
    return fits
  }

  #move(buffer: Buffer, bodyStart: number, end: number, bodyTo: number): number {
    let from = bodyStart
    let to = bodyTo
    for (const { lengthAt, end: valueEnd, result } of this.#masked) {
      if (result === 'in-place') continue
      to = moved(buffer, from, lengthAt, to)
      to = put(result, buffer, to)
      from = valueEnd
    }
    return moved(buffer, from, end, to)
  }

  #rebuild(buffer: Buffer, start: number, bodyStart: number, end: number, out: Writer): number {
    out.begin(buffer[start] ?? 0)
    let from = bodyStart
    for (const { lengthAt, end: valueEnd, result } of this.#masked) {
      if (result === 'in-place') continue
      out.bytes(buffer, from, lengthAt).value(result)
      from = valueEnd
    }
    out.bytes(buffer, from, end).end()
    return REBUILT
  }
}

/** Hides a value, where it lies when it keeps its length; by how many bytes it gets shorter. */
function hideValue(column: Column, buffer: Buffer, lengthAt: number, end: number, length: number): number {
  column.lengthAt = lengthAt
  column.end = end
  const result = length < 0 ? 'in-place' : column.mask(buffer, lengthAt + 4, end)
  column.result = result
  if (result === 'in-place') return 0
  if (result?.length !== length) return length - (result?.length ?? 0)
  result.copy(buffer, lengthAt + 4)
  column.result = 'in-place'
  return 0
}

/** Fewer bytes are moved one by one: a call takes longer. */
const WORTH_A_CALL = 16

/** Moves bytes to the left, or not at all; where they then end. */
export function moved(buffer: Buffer, start: number, end: number, to: number): number {
  const by = start - to
  if (by === 0) return end
  if (end - start > WORTH_A_CALL) buffer.copyWithin(to, start, end)
  else for (let at = start; at < end; at += 1) buffer[at - by] = buffer[at] ?? 0
  return end - by
}

/** Writes a length and a value. */
function put(value: Buffer | null, buffer: Buffer, to: number): number {
  buffer.writeInt32BE(value === null ? -1 : value.length, to)
  if (value === null) return to + 4
  if (value.length > WORTH_A_CALL) value.copy(buffer, to + 4)
  else for (let at = 0; at < value.length; at += 1) buffer[to + 4 + at] = value[at] ?? 0
  return to + 4 + value.length
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
