import { ProtocolError } from '../../../engine/index.ts'

/** Fields that a row announces. Throws ProtocolError where it ends before that. */
export function columnCount(buffer: Buffer, bodyStart: number, end: number): number {
  if (end - bodyStart < 2) throw malformed('has no field count')
  return buffer.readUInt16BE(bodyStart)
}

/** Bytes of the field whose length lies at `at`, -1 for NULL. Throws ProtocolError where the row ends within it. */
export function fieldLength(buffer: Buffer, at: number, end: number): number {
  if (end - at < 4) throw malformed('ends within a field’s length')
  const length = buffer.readInt32BE(at)
  if (length < -1 || length > end - at - 4) {
    throw malformed(`has ${end - at - 4} bytes left for a field of ${length}`)
  }
  return length
}

/** Throws ProtocolError where a row's last field ends at `at`, and the row doesn't. */
export function assertRowEnd(at: number, end: number): void {
  if (at !== end) throw malformed(`has ${end - at} bytes behind its last field`)
}

/**
 * Walks the fields of a DataRow frame without allocating: one walker serves a whole result. `open`, then `next` until
 * it returns false, which it does only when the frame ends exactly behind the last field. Throws ProtocolError.
 */
export class RowFields {
  /** Fields that the row announces. */
  count = 0
  /** Index of the current field, from 0. */
  index = -1
  /** Where the current field's bytes begin. */
  start = 0
  /** Bytes of the current field; -1 for NULL. */
  length = 0

  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  open(buffer: Buffer, bodyStart: number, end: number): void {
    this.count = columnCount(buffer, bodyStart, end)
    this.#buffer = buffer
    this.#at = bodyStart + 2
    this.#end = end
    this.index = -1
    this.start = this.#at
    this.length = 0
  }

  next(): boolean {
    if (++this.index >= this.count) {
      assertRowEnd(this.#at, this.#end)
      return false
    }
    this.length = fieldLength(this.#buffer, this.#at, this.#end)
    this.start = this.#at + 4
    this.#at = this.start + Math.max(this.length, 0)
    return true
  }
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `DataRow: it ${problem}`)
}
