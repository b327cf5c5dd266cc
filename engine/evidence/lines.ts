import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { MAX_LINE_BYTES } from './line.ts'

const NEWLINE = 0x0a
const NUL = 0x00
const CHUNK_BYTES: number = 256 * 1024

/** The end of a file that is not made of lines. `zeros`: a stretch that a file system allocated and never filled. */
export interface Tail {
  readonly kind: 'unterminated' | 'zeros' | 'oversized'
  /** Where it begins, and which line it would have been. */
  readonly offset: number
  readonly line: number
  readonly bytes: number
  readonly sha256: string
}

type OnLine = (bytes: Buffer, number: number) => void

/**
 * Reads a file (its path, or its bytes) of any size in bounded memory and hands out its lines (without newline, numbered from 1). From the first
 * thing on that can't be a line of ours (a NUL byte, which canonical JSON never holds; more bytes than any entry has; no
 * newline before the end) the rest is the tail. Answers how many bytes are lines, and the tail.
 */
export async function eachLine(
  content: string | AsyncIterable<Buffer>,
  onLine: OnLine,
): Promise<{ readonly bytes: number; readonly tail: Tail | null }> {
  const splitter = new Splitter(onLine)
  const chunks: AsyncIterable<Buffer> =
    typeof content === 'string' ? createReadStream(content, { highWaterMark: CHUNK_BYTES }) : content
  for await (const chunk of chunks) splitter.push(chunk)
  return splitter.end()
}

class Splitter {
  readonly #onLine: OnLine
  #partial: Buffer = Buffer.alloc(0)
  #lines = 0
  #offset = 0
  #tail: { readonly kind: 'zeros' | 'oversized'; readonly hash: Hash; bytes: number } | null = null

  constructor(onLine: OnLine) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    let rest = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk])
    while (this.#tail === null) {
      const end = rest.indexOf(NEWLINE)
      const line = end < 0 ? rest : rest.subarray(0, end)
      if (line.length > MAX_LINE_BYTES) this.#tail = newTail('oversized')
      else if (line.includes(NUL)) this.#tail = newTail('zeros')
      else if (end < 0) break
      else {
        this.#take(line)
        rest = rest.subarray(end + 1)
      }
    }
    this.#keep(rest)
  }

  end(): { readonly bytes: number; readonly tail: Tail | null } {
    return { bytes: this.#offset, tail: this.#endTail() }
  }

  #take(line: Buffer): void {
    this.#lines += 1
    this.#offset += line.length + 1
    this.#onLine(line, this.#lines)
  }

  #keep(rest: Buffer): void {
    if (this.#tail === null) {
      this.#partial = rest
      return
    }
    this.#tail.hash.update(rest)
    this.#tail.bytes += rest.length
    this.#partial = Buffer.alloc(0)
  }

  #endTail(): Tail | null {
    const at = { offset: this.#offset, line: this.#lines + 1 }
    if (this.#tail !== null) {
      const { kind, bytes, hash } = this.#tail
      return { kind, ...at, bytes, sha256: hash.digest('hex') }
    }
    const bytes = this.#partial.length
    if (bytes === 0) return null
    return { kind: 'unterminated', ...at, bytes, sha256: createHash('sha256').update(this.#partial).digest('hex') }
  }
}

function newTail(kind: 'zeros' | 'oversized'): { kind: 'zeros' | 'oversized'; hash: Hash; bytes: number } {
  return { kind, hash: createHash('sha256'), bytes: 0 }
}
