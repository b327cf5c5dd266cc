import { ProtocolError } from '../../../engine/index.ts'

const DEFAULT_CAPACITY = 8 * 1024
/** Below this, what is left of a buffer after `take()` is not worth keeping. */
const WORTH_KEEPING = 1024
/** The most that is allocated ahead because the last batch took as much. */
const MAX_AHEAD = 256 * 1024
/** Fewer bytes are copied one by one: a call of `copy` takes longer. */
const WORTH_A_CALL = 40
const EMPTY = Buffer.alloc(0)

/**
 * One growable output buffer for many frames. `begin` and `end` put the length around a body. What `take` hands out
 * belongs to the caller and is never written to again.
 */
export class Writer {
  #buffer: Buffer
  /** Where the bytes begin that were not taken yet. */
  #from = 0
  #at = 0
  /** Where the unfinished frame's length goes; -1 between frames. */
  #lengthAt = -1
  #frameAt = 0
  /** Bytes of the last batch that was taken: the next is likely as large. */
  #lastTaken = 0

  constructor(capacity: number = DEFAULT_CAPACITY) {
    this.#buffer = Buffer.allocUnsafe(capacity)
  }

  /** Bytes written and not taken. */
  get length(): number {
    return this.#at - this.#from
  }

  /** Starts a frame; type 0 for a startup frame, which has no type byte. */
  begin(type: number): this {
    this.#frameAt = this.#at
    if (type !== 0) this.uint8(type)
    this.#lengthAt = this.#reserve(4)
    return this
  }

  /** Ends the frame that `begin` started. */
  end(): this {
    this.#buffer.writeInt32BE(this.#at - this.#lengthAt, this.#lengthAt)
    this.#lengthAt = -1
    return this
  }

  uint8(value: number): this {
    const at = this.#reserve(1)
    this.#buffer[at] = value
    return this
  }

  int16(value: number): this {
    const at = this.#reserve(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  uint16(value: number): this {
    const at = this.#reserve(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#reserve(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#reserve(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  bytes(source: Buffer, start: number = 0, end: number = source.length): this {
    let at = this.#reserve(end - start)
    const target = this.#buffer
    if (end - start > WORTH_A_CALL) source.copy(target, at, start, end)
    else for (let from = start; from < end; from += 1) target[at++] = source[from] ?? 0
    return this
  }

  /** An int32 length and the bytes; -1 alone for null. */
  value(value: Buffer | null): this {
    return value === null ? this.int32(-1) : this.int32(value.length).bytes(value)
  }

  /** Text and a NUL. Throws ProtocolError on a NUL within: the rest would be read as something else. */
  cstring(text: string): this {
    if (text.includes('\0')) throw new ProtocolError('ERR_PROTOCOL_MESSAGE', 'a text to be sent contains a NUL')
    const bytes = Buffer.byteLength(text)
    const at = this.#reserve(bytes + 1)
    this.#buffer.write(text, at, 'utf8')
    this.#buffer[at + bytes] = 0
    return this
  }

  /** Hands out all whole frames written so far. Must not be called within one. */
  take(): Buffer {
    if (this.#lengthAt >= 0)
      throw new ProtocolError('ERR_PROTOCOL_STATE', 'output was taken within an unfinished message')
    const taken = this.#buffer.subarray(this.#from, this.#at)
    this.#lastTaken = taken.length
    this.#from = this.#at
    if (this.#buffer.length - this.#at < WORTH_KEEPING) {
      this.#buffer = EMPTY // allocated when something is written, so that idle sessions hold nothing
      this.#from = 0
      this.#at = 0
    }
    return taken
  }

  /** What was written and not taken lies in it from `start` on: for reading at once, the next write may move it. */
  get buffer(): Buffer {
    return this.#buffer
  }

  get start(): number {
    return this.#from
  }

  /** Forgets an unfinished frame, after an encoder threw. */
  abandon(): void {
    if (this.#lengthAt < 0) return
    this.#at = this.#frameAt
    this.#lengthAt = -1
  }

  /** Where `count` bytes may be written. May replace `#buffer`: call it before that is read. */
  #reserve(count: number): number {
    if (this.#at + count > this.#buffer.length) this.#grow(count)
    const start = this.#at
    this.#at += count
    return start
  }

  #grow(count: number): void {
    const length = this.length
    const ahead = Math.min(this.#lastTaken * 2, MAX_AHEAD)
    const grown = Buffer.allocUnsafe(Math.max((length + count) * 2, ahead, DEFAULT_CAPACITY))
    this.#buffer.copy(grown, 0, this.#from, this.#at)
    if (this.#lengthAt >= 0) this.#lengthAt -= this.#from
    this.#frameAt -= this.#from
    this.#buffer = grown
    this.#from = 0
    this.#at = length
  }
}
