import { ProtocolError } from '../../../engine/index.ts'
import type { Writer } from '../codec/writer.ts'
import type { CopyMasks, CopyRows } from './copy-rows.ts'

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
/** Signature, flags, length of what may follow. */
const HEADER_BYTES = SIGNATURE.length + 8
const TRAILER = -1

/** COPY's binary format: a header, rows as in DataRow, a trailer. */
export class BinaryRows implements CopyRows {
  readonly #masks: CopyMasks
  #state: 'header' | 'rows' | 'done' = 'header'

  constructor(masks: CopyMasks) {
    this.#masks = masks
  }

  get complete(): boolean {
    return this.#state === 'done'
  }

  /** The header and the trailer count as rows. */
  rowEnd(buffer: Buffer, start: number, _seen: number, end: number): number {
    switch (this.#state) {
      case 'header':
        return end - start < HEADER_BYTES ? -1 : start + HEADER_BYTES
      case 'rows':
        return this.#fieldsEnd(buffer, start, end)
      case 'done':
        if (end > start) throw malformed('comes behind the trailer')
        return -1
    }
  }

  mask(buffer: Buffer, start: number, end: number, out: Writer): void {
    if (this.#state === 'header') this.#readHeader(buffer, start)
    else if (buffer.readInt16BE(start) === TRAILER) this.#state = 'done'
    else return this.#maskRow(buffer, start, end, out)
    out.bytes(buffer, start, end)
  }

  /** Flags name what would have to be understood (OIDs once were); an extension nobody has ever sent. */
  #readHeader(buffer: Buffer, start: number): void {
    const rest = start + SIGNATURE.length
    const plain = buffer.readInt32BE(rest) === 0 && buffer.readInt32BE(rest + 4) === 0
    if (!plain || !SIGNATURE.equals(buffer.subarray(start, rest))) throw malformed('is no header that is known')
    this.#state = 'rows'
  }

  #fieldsEnd(buffer: Buffer, start: number, end: number): number {
    if (end - start < 2) return -1
    const count = buffer.readInt16BE(start)
    let at = start + 2
    if (count === TRAILER) return at
    if (count !== this.#masks.columns)
      throw malformed(`has ${count} columns, which is another number than it was judged to have`)
    for (let column = 0; column < count; column += 1) {
      if (end - at < 4) return -1
      const length = buffer.readInt32BE(at)
      if (length < -1) throw malformed(`has a field of ${length} bytes`)
      at += 4 + Math.max(length, 0)
      if (at > end) return -1
    }
    return at
  }

  #maskRow(buffer: Buffer, start: number, end: number, out: Writer): void {
    let unwritten = start
    let at = start + 2
    for (let column = 0; column < this.#masks.columns; column += 1) {
      const length = buffer.readInt32BE(at)
      const from = at + 4
      const to = from + Math.max(length, 0)
      const mask = length < 0 ? undefined : this.#masks.at[column]
      if (mask !== undefined) {
        const masked = mask(buffer, from, to)
        this.#masks.count(column)
        if (masked !== 'in-place') {
          out.bytes(buffer, unwritten, at).value(masked)
          unwritten = to
        }
      }
      at = to
    }
    out.bytes(buffer, unwritten, end)
  }
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `CopyData: a row ${problem}`)
}
