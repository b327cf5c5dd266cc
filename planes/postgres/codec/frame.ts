import { ProtocolError } from '../../../engine/index.ts'
import type { FrameLimits } from './frame-limits.ts'
import { typeLabel } from './message-types.ts'

/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH. */
export const MAX_STARTUP_BYTES = 10_000
/** Length and request code: no startup frame is shorter. */
const MIN_STARTUP_BYTES = 8
/** The length field counts itself. */
const MIN_LENGTH = 4
/** What a peer gets allocated on the strength of a length alone, before its bytes have come. */
const FIRST_ALLOCATION = 64 * 1024

const EMPTY = Buffer.alloc(0)

export interface FrameReaderOptions {
  /** The largest length field that is let through; at most 2^31 - 1. */
  readonly maxFrameBytes: number
  /** The first frames have no type byte. Ends with `startupDone()`. */
  readonly startup?: boolean
  /** Which types may come, and how large each. Default: any type, up to `maxFrameBytes`. */
  readonly limits?: FrameLimits
}

/**
 * Cuts a byte stream into frames, without copying where a frame lies within one chunk and without allocating per frame.
 * A frame that spans chunks is assembled in a buffer of its own, which grows with the bytes that came, never with the
 * length that was promised. Lengths and types are judged before the body is awaited.
 *
 * A pushed chunk belongs to the reader and whoever reads from it: masks are written into it in place. The fields
 * describe the current frame until the next `advance()`; the bytes behind `buffer` stay as they are after that. Frames
 * with the same `buffer` lie next to each other in it.
 */
export class FrameReader {
  /** The type byte; 0 for a startup frame. */
  type = 0
  buffer: Buffer = EMPTY
  /** Offset of the type byte, or of the length in a startup frame. */
  start = 0
  bodyStart = 0
  end = 0

  readonly #maxFrameBytes: number
  readonly #limits: FrameLimits | undefined
  #startup: boolean
  #chunk: Buffer = EMPTY
  #at = 0
  readonly #queue: Buffer[] = []
  /** The beginning of a frame whose rest is in a later chunk, the first `#filled` bytes of it. */
  #partial: Buffer = EMPTY
  #filled = 0
  /** Bytes of the whole frame in `#partial`; 0 until its header is complete. */
  #partialSize = 0

  constructor(options: FrameReaderOptions) {
    this.#maxFrameBytes = options.maxFrameBytes
    this.#limits = options.limits
    this.#startup = options.startup ?? false
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    if (this.#at === this.#chunk.length && this.#queue.length === 0) {
      this.#chunk = chunk
      this.#at = 0
    } else {
      this.#queue.push(chunk)
    }
  }

  /** Goes to the next whole frame; false when more bytes are needed. Throws ProtocolError, and then must not be used on. */
  advance(): boolean {
    do {
      if (this.#filled > 0 ? this.#completePartial() : this.#cut()) return true
    } while (this.#nextChunk())
    return false
  }

  /** Bytes pushed and not yet handed out as frames. */
  get bufferedBytes(): number {
    const queued = this.#queue.reduce((sum, chunk) => sum + chunk.length, 0)
    return this.#chunk.length - this.#at + this.#filled + queued
  }

  /** Hands out, as one copy, all bytes that are not a frame yet, and forgets them: for whoever reads on after us. */
  takeRest(): Buffer {
    const rest = Buffer.concat([
      this.#partial.subarray(0, this.#filled),
      this.#chunk.subarray(this.#at),
      ...this.#queue.splice(0),
    ])
    this.#forgetPartial()
    this.#chunk = EMPTY
    this.#at = 0
    return rest
  }

  /** From here on frames have a type byte. Called before the `advance()` that is to read the first such frame. */
  startupDone(): void {
    if (this.#partialSize > 0) {
      throw new ProtocolError('ERR_PROTOCOL_STATE', 'the startup phase ended within a startup frame')
    }
    this.#startup = false
  }

  #cut(): boolean {
    const available = this.#chunk.length - this.#at
    if (available === 0) return false
    const size = available < this.#headerBytes() ? 0 : this.#judge(this.#chunk, this.#at)
    if (size === 0 || size > available) {
      this.#partialSize = size
      this.#take(available)
      return false
    }
    this.#deliver(this.#chunk, this.#at, size)
    this.#at += size
    return true
  }

  #completePartial(): boolean {
    if (this.#partialSize === 0) {
      const header = this.#headerBytes()
      this.#take(header - this.#filled)
      if (this.#filled < header) return false
      this.#partialSize = this.#judge(this.#partial, 0)
    }
    this.#take(this.#partialSize - this.#filled)
    if (this.#filled < this.#partialSize) return false
    this.#deliver(this.#partial, 0, this.#partialSize)
    this.#forgetPartial()
    return true
  }

  #forgetPartial(): void {
    this.#partial = EMPTY
    this.#filled = 0
    this.#partialSize = 0
  }

  /** Moves up to `wanted` bytes of the chunk to the partial frame. */
  #take(wanted: number): void {
    const count = Math.min(wanted, this.#chunk.length - this.#at)
    this.#reserve(this.#filled + count)
    this.#chunk.copy(this.#partial, this.#filled, this.#at, this.#at + count)
    this.#at += count
    this.#filled += count
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#partial.length) return
    const doubled = Math.max(bytes * 2, FIRST_ALLOCATION)
    const capacity = Math.max(bytes, Math.min(this.#partialSize || this.#headerBytes(), doubled))
    const grown = Buffer.allocUnsafe(capacity)
    this.#partial.copy(grown, 0, 0, this.#filled)
    this.#partial = grown
  }

  #nextChunk(): boolean {
    if (this.#at < this.#chunk.length) return true
    this.#chunk = this.#queue.shift() ?? EMPTY
    this.#at = 0
    return this.#chunk.length > 0
  }

  #deliver(buffer: Buffer, start: number, size: number): void {
    this.type = this.#startup ? 0 : (buffer[start] ?? 0)
    this.buffer = buffer
    this.start = start
    this.bodyStart = start + this.#headerBytes()
    this.end = start + size
  }

  #headerBytes(): number {
    return this.#startup ? 4 : 5
  }

  /** The whole frame's size in bytes. Throws when its length or type can't be. */
  #judge(buffer: Buffer, at: number): number {
    if (this.#startup) return judgeStartup(buffer.readInt32BE(at))
    const type = buffer[at] ?? 0
    const length = buffer.readInt32BE(at + 1)
    const cap = this.#limits === undefined ? this.#maxFrameBytes : (this.#limits[type] ?? 0)
    if (cap === 0) {
      throw new ProtocolError('ERR_PROTOCOL_FRAME_TYPE', `no message of type ${typeLabel(type)} is expected here`)
    }
    if (length < MIN_LENGTH || length > cap)
      throw lengthError(`a message of type ${typeLabel(type)}`, MIN_LENGTH, cap, length)
    return 1 + length
  }
}

function judgeStartup(length: number): number {
  if (length < MIN_STARTUP_BYTES || length > MAX_STARTUP_BYTES) {
    throw lengthError('a startup frame', MIN_STARTUP_BYTES, MAX_STARTUP_BYTES, length)
  }
  return length
}

function lengthError(what: string, min: number, max: number, found: number): ProtocolError {
  return new ProtocolError(
    'ERR_PROTOCOL_FRAME_LENGTH',
    `${what} may be ${min} to ${max} bytes long, its length says ${found}`,
  )
}
