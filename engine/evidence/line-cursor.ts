import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { MAX_LINE_BYTES } from './line.ts'
import type { Tail } from './lines.ts'

const NEWLINE = 0x0a
const NUL = 0x00
/** More than any line takes. */
const CHUNK_BYTES: number = 256 * 1024

const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Reads a file line by line at the caller's pace, in bounded memory; what counts as a line, and what as the tail, is as
 * `eachLine` has it. The file may grow meanwhile. It is open only while a chunk is read, so that a thousand cursors hold
 * no thousand files.
 */
export class LineCursor {
  readonly #path: string
  #chunk: Buffer = NOTHING
  #at = 0
  /** Where the chunk begins in the file. */
  #offset = 0
  #lines = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Lines handed out so far: the number of the last. */
  get lines(): number {
    return this.#lines
  }

  /** The next line of what has been read, without its newline, good until the next `fill`; undefined: fill, or the end. */
  next(): Buffer | undefined {
    const end = this.#chunk.indexOf(NEWLINE, this.#at)
    if (end < 0) return undefined
    const line = this.#chunk.subarray(this.#at, end)
    if (line.length > MAX_LINE_BYTES || line.includes(NUL)) return undefined
    this.#at = end + 1
    this.#lines += 1
    if (this.#at === this.#chunk.length) this.#release()
    return line
  }

  // A cursor that nobody asks any more, as of a thousand writers that ended, must not keep its chunk.
  #release(): void {
    this.#offset += this.#at
    this.#at = 0
    this.#chunk = NOTHING
  }

  /** Reads on; answers whether there is another line now. */
  async fill(): Promise<boolean> {
    this.#release()
    const file = await open(this.#path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, this.#offset)
      this.#chunk = buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
    const end = this.#chunk.indexOf(NEWLINE)
    return end >= 0 && end <= MAX_LINE_BYTES && !this.#chunk.subarray(0, end).includes(NUL)
  }

  /** Once there is no more line: how many bytes are lines, and what follows them. */
  async end(): Promise<{ readonly bytes: number; readonly tail: Tail | null }> {
    const bytes = this.#offset + this.#at
    const hash = createHash('sha256')
    let length = 0
    const chunks: AsyncIterable<Buffer> = createReadStream(this.#path, { start: bytes, highWaterMark: CHUNK_BYTES })
    for await (const chunk of chunks) {
      hash.update(chunk)
      length += chunk.length
    }
    if (length === 0) return { bytes, tail: null }
    const tail = { kind: this.#tailKind(), offset: bytes, line: this.#lines + 1, bytes: length }
    return { bytes, tail: { ...tail, sha256: hash.digest('hex') } }
  }

  #tailKind(): Tail['kind'] {
    const end = this.#chunk.indexOf(NEWLINE, this.#at)
    const line = this.#chunk.subarray(this.#at, end < 0 ? undefined : end)
    if (line.length > MAX_LINE_BYTES) return 'oversized'
    return line.includes(NUL) ? 'zeros' : 'unterminated'
  }
}
