import { open, type FileHandle } from 'node:fs/promises'
import { EvidenceError } from '../errors.ts'
import { recordsFile } from './file-store.ts'
import { MAX_LINE_BYTES, splitLine } from './line.ts'
import type { LeafSource } from './store.ts'

const CHUNK_BYTES: number = 256 * 1024

/**
 * Follows one writer's records file as it grows, from its first byte, and hands out the leaf of each whole line. What it
 * hands out is durable: it syncs the file itself first, since a writer's last lines may be in the kernel's cache alone,
 * and a leaf that a power cut took back must not be under a signature.
 */
export class LeafReader implements LeafSource {
  readonly writer: string
  readonly #path: string
  #offset = 0
  #seq = 0

  constructor(directory: string, writer: string) {
    this.writer = writer
    this.#path = recordsFile(directory, writer)
  }

  /** Records handed out so far: the seq of the last. */
  get seq(): number {
    return this.#seq
  }

  /** Hands out at most `limit` leaves that are new. Holds one chunk at a time, and lets others run between chunks. */
  async read(limit: number, onLeaf: (leaf: Buffer) => void): Promise<void> {
    const file = await this.#open()
    try {
      const { size } = await file.stat()
      if (size === this.#offset) return
      await file.datasync()
      await this.#lines(file, size, this.#seq + limit, onLeaf)
    } finally {
      await file.close()
    }
  }

  // A writer's file never goes away, so one that did is nobody's crash.
  async #open(): Promise<FileHandle> {
    try {
      return await open(this.#path, 'r')
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
      const message = `${this.#path}: expected the records that were signed; found no such file; restore it from a copy`
      throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true, cause })
    }
  }

  async #lines(file: FileHandle, size: number, last: number, onLeaf: (leaf: Buffer) => void): Promise<void> {
    while (this.#offset < size && this.#seq < last) {
      const length = Math.min(size - this.#offset, CHUNK_BYTES)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.#offset)
      const taken = this.#take(buffer.subarray(0, bytesRead), last, onLeaf)
      if (taken === 0) return // An unfinished line: what is being written now, or what a crash left.
      this.#offset += taken
    }
  }

  #take(chunk: Buffer, last: number, onLeaf: (leaf: Buffer) => void): number {
    let start = 0
    while (this.#seq < last) {
      const end = chunk.indexOf(0x0a, start)
      const line = chunk.subarray(start, Math.max(end, start))
      if (end < 0 || line.length > MAX_LINE_BYTES || line.includes(0)) break
      onLeaf(this.#leaf(line))
      this.#seq += 1
      start = end + 1
    }
    return start
  }

  #leaf(line: Buffer): Buffer {
    const leaf = recordLeaf(line)
    if (leaf !== undefined) return leaf
    const message = `${this.#path}:${this.#seq + 1}: expected a record as the log wrote it; found other bytes; keep a copy and run countersign evidence verify`
    throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
  }
}

/** The leaf hash of a record's line, taken from its bytes; undefined when the line isn't one, or names another. */
export function recordLeaf(line: Buffer): Buffer | undefined {
  const parts = splitLine('record', line)
  return parts === undefined ? undefined : Buffer.from(parts.leaf, 'hex')
}
