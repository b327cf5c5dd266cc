import { ProtocolError } from '../../../engine/index.ts'

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
    if (end - bodyStart < 2) throw malformed('has no field count')
    this.#buffer = buffer
    this.#at = bodyStart + 2
    this.#end = end
    this.count = buffer.readUInt16BE(bodyStart)
    this.index = -1
    this.start = this.#at
    this.length = 0
  }

  next(): boolean {
    if (++this.index >= this.count) {
      if (this.#at !== this.#end) throw malformed(`has ${this.#end - this.#at} bytes behind its last field`)
      return false
    }
    if (this.#end - this.#at < 4) throw malformed('ends within a field’s length')
    this.length = this.#buffer.readInt32BE(this.#at)
    this.start = this.#at + 4
    if (this.length < -1 || this.length > this.#end - this.start) {
      throw malformed(`has ${this.#end - this.start} bytes left for a field of ${this.length}`)
    }
    this.#at = this.start + Math.max(this.length, 0)
    return true
  }
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `DataRow: it ${problem}`)
}
