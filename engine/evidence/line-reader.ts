import { open } from 'node:fs/promises'
import { MAX_LINE_BYTES } from './line.ts'
import type { LineSource } from './source.ts'

const NEWLINE = 0x0a
/** More than any line takes. */
const CHUNK_BYTES: number = 256 * 1024

/** The whole lines of a file that others append to, each once. Holds one chunk, and the file only while it reads one. */
export class LineReader implements LineSource {
  readonly path: string
  /** Lines handed out so far: the number of the last. */
  line = 0
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #offset = 0

  constructor(path: string) {
    this.path = path
  }

  get where(): string {
    return `${this.path}:${this.line}`
  }

  /** Passes over lines until the next one is this, counted from 1. */
  async skipTo(line: number): Promise<void> {
    while (this.line < line - 1 && (await this.next()) !== undefined);
  }

  /** Good until the next call; undefined where nothing whole is there (yet), or no such file. */
  async next(): Promise<Buffer | undefined> {
    let end = this.#chunk.indexOf(NEWLINE, this.#at)
    if (end < 0) {
      await this.#read()
      end = this.#chunk.indexOf(NEWLINE)
    }
    const line = this.#chunk.subarray(this.#at, Math.max(end, this.#at))
    if (end < 0 || line.length > MAX_LINE_BYTES || line.includes(0)) return undefined
    this.#at = end + 1
    this.line += 1
    return line
  }

  async #read(): Promise<void> {
    this.#offset += this.#at
    this.#at = 0
    this.#chunk = Buffer.alloc(0)
    const file = await open(this.path, 'r').catch(ifGone)
    if (file === undefined) return
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, this.#offset)
      this.#chunk = buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }
}

/** For a file that isn't there; throws anything else. */
export function ifGone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
