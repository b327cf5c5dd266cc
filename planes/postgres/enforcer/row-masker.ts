import { MASK_METHODS, type MaskMethod, ObligationError, ProtocolError } from '../../../engine/index.ts'
import { assertRowEnd, columnCount, fieldLength } from '../codec/row-fields.ts'
import type { Writer } from '../codec/writer.ts'
import type { MaskingKey } from './masking-key.ts'
import type { ValueMask } from './value-form.ts'
import { valueMask } from './value-mask.ts'

/** Methods that need a key. */
const KEYED: ReadonlySet<MaskMethod> = new Set<MaskMethod>(['hash', 'pseudonym'])

/** Methods that a result's columns can be masked by. */
export function enforcedMethods(key: MaskingKey | null): readonly MaskMethod[] {
  return MASK_METHODS.filter((method) => key !== null || !KEYED.has(method))
}

/** The key that a method hides values under, as the record names it. */
export function keyOf(method: MaskMethod, key: MaskingKey | null): { readonly key?: string } {
  return key !== null && KEYED.has(method) ? { key: key.id } : {}
}

/** One column of a result to hide. `typeOid`: of the base type where the column has a domain. `format`: 0 text, 1 binary. */
export interface ColumnMask {
  /** Position in the row, from 0. */
  readonly index: number
  readonly method: MaskMethod
  readonly typeOid: number
  readonly format: 0 | 1
}

interface Column {
  readonly index: number
  readonly mask: ValueMask
}

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
    }))
  }

  /**
   * Masks one DataRow frame: where it lies when every value keeps its length, else as a new frame at the end of `out`.
   * Throws ProtocolError when it isn't a row of this result; nothing was written to `out` then, and the frame itself may
   * be masked in part, so the caller drops it and the rest of the result.
   */
  mask(buffer: Buffer, start: number, bodyStart: number, end: number, out: Writer): 'in-place' | 'rebuilt' {
    try {
      return this.#hide(buffer, start, bodyStart, end, out)
    } catch (error) {
      out.abandon()
      throw error
    }
  }

  #hide(buffer: Buffer, start: number, bodyStart: number, end: number, out: Writer): 'in-place' | 'rebuilt' {
    const columns = columnCount(buffer, bodyStart, end)
    if (columns !== this.#columns) throw miscounted(this.#columns, columns)
    let rebuilt = false
    let unwritten = bodyStart
    let position = 0
    let at = bodyStart + 2
    for (let index = 0; index < columns; index += 1) {
      const length = fieldLength(buffer, at, end)
      const valueEnd = at + 4 + Math.max(length, 0)
      const column = this.#masked[position]
      if (column?.index === index) {
        const hidden = length < 0 || this.#hideValue(column, position, buffer, at + 4, valueEnd)
        if (hidden !== true) {
          if (!rebuilt) out.begin(buffer[start] ?? 0)
          rebuilt = true
          out.bytes(buffer, unwritten, at).value(hidden)
          unwritten = valueEnd
        }
        position += 1
      }
      at = valueEnd
    }
    assertRowEnd(at, end)
    if (!rebuilt) return 'in-place'
    out.bytes(buffer, unwritten, end).end()
    return 'rebuilt'
  }

  /** True when the value is hidden where it lies, else what stands for it. */
  #hideValue({ mask }: Column, position: number, buffer: Buffer, start: number, end: number): true | Buffer | null {
    this.counts[position] = (this.counts[position] ?? 0) + 1
    const result = mask(buffer, start, end)
    if (result === 'in-place') return true
    if (result === null || result.length !== end - start) return result
    result.copy(buffer, start)
    return true
  }
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
