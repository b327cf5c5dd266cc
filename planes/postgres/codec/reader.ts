import { ProtocolError } from '../../../engine/index.ts'

/** Strict: a byte sequence that is not UTF-8 throws. A byte order mark is text like any other, as it is to the server. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** For error and notice texts only: a server may send those before its encoding is agreed. */
const lenientUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Reads the body of one frame and can't leave it. Every failure is a ProtocolError `ERR_PROTOCOL_MESSAGE`. */
export class BodyReader {
  readonly #buffer: Buffer
  readonly #end: number
  readonly #message: string
  #at: number

  /** `message`: the message's name, for errors. */
  constructor(buffer: Buffer, bodyStart: number, end: number, message: string) {
    this.#buffer = buffer
    this.#at = bodyStart
    this.#end = end
    this.#message = message
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  uint8(): number {
    return this.#buffer.readUInt8(this.#step(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#step(2))
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#step(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#step(4))
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#step(4))
  }

  /** A view, not a copy: it lives as long as the frame's buffer is left alone. */
  bytes(count: number): Buffer {
    const start = this.#step(count)
    return this.#buffer.subarray(start, start + count)
  }

  rest(): Buffer {
    return this.bytes(this.remaining)
  }

  /** An int32 length and as many bytes; null for length -1. A view. */
  value(): Buffer | null {
    const length = this.int32()
    if (length === -1) return null
    if (length < 0) throw this.invalid(`a value's length is ${length}`)
    return this.bytes(length)
  }

  /** Text up to a NUL. Throws where the NUL is missing or the bytes are not UTF-8. */
  cstring(): string {
    const text = this.#upToNul()
    try {
      return utf8.decode(text)
    } catch {
      throw this.invalid('a text is not valid UTF-8')
    }
  }

  /** As `cstring`, with U+FFFD for what is not UTF-8. Never for what is judged. */
  lenientCstring(): string {
    return lenientUtf8.decode(this.#upToNul())
  }

  /** `count` items of at least `minBytes` each: refused before a list is made, when the frame can't hold them. */
  list<T>(count: number, minBytes: number, read: () => T): T[] {
    if (count < 0 || count * minBytes > this.remaining) {
      throw this.invalid(`${count} items of at least ${minBytes} bytes are announced, ${this.remaining} bytes are left`)
    }
    return Array.from({ length: count }, read)
  }

  /** The body must end here. */
  finish(): void {
    if (this.remaining > 0) throw this.invalid(`${this.remaining} bytes follow its end`)
  }

  invalid(problem: string): ProtocolError {
    return new ProtocolError('ERR_PROTOCOL_MESSAGE', `${this.#message}: ${problem}`)
  }

  #upToNul(): Buffer {
    const nul = this.#buffer.indexOf(0, this.#at)
    if (nul < 0 || nul >= this.#end) throw this.invalid('a text has no terminating NUL within the message')
    const text = this.#buffer.subarray(this.#at, nul)
    this.#at = nul + 1
    return text
  }

  /** Moves past `count` bytes and returns where they begin. */
  #step(count: number): number {
    if (count < 0 || count > this.remaining) {
      throw this.invalid(`${count} bytes are expected, ${this.remaining} are left`)
    }
    const start = this.#at
    this.#at += count
    return start
  }
}
