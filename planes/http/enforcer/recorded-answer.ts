import { isUtf8 } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import type { FieldMask, JsonObject } from '../../../engine/index.ts'
import type { ResponseHead } from '../message.ts'

/** Bytes of a body in one frame of the recording, and that a recording keeps of one answer. */
const FRAME_BYTES = 8 * 1024
const KEPT_BYTES = 64 * 1024

/**
 * An answer as the agent gets it, as frames of its recording: a first row of status and headers, then the body in pieces.
 * Of a long answer the beginning is kept; the digest covers all of it.
 */
export class RecordedAnswer {
  readonly #hash: Hash = createHash('sha256')
  readonly #masks: readonly FieldMask[]
  #head: ResponseHead | null
  #bytes = 0
  #kept = 0

  constructor(head: ResponseHead, masks: readonly FieldMask[]) {
    this.#head = head
    this.#masks = masks
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Frames for bytes that are about to leave; none once enough of the answer is kept. */
  add(bytes: Buffer): readonly JsonObject[] {
    this.#hash.update(bytes)
    const isGapless = this.#kept === this.#bytes
    this.#bytes += bytes.length
    if (!isGapless || this.#bytes > KEPT_BYTES) return []
    this.#kept = this.#bytes
    const frames: JsonObject[] = []
    for (let start = 0; start < bytes.length; start += FRAME_BYTES)
      frames.push({
        ...this.#heading(),
        rows: [...this.#headRow(), [null, null, cellOf(bytes.subarray(start, start + FRAME_BYTES))]],
      })
    return frames
  }

  /** The last frame. `broken`: the answer ended before its end. */
  end(status: number, broken: string | null): JsonObject {
    return {
      ...this.#heading(),
      rows: this.#headRow(),
      end: `HTTP ${status}`,
      ...(broken === null ? {} : { error: broken }),
      count: 1,
      bytes: this.#bytes,
      sha256: this.#hash.digest('hex'),
      kept: this.#kept === this.#bytes ? 'whole' : this.#kept === 0 ? 'digest' : 'sample',
    }
  }

  #heading(): JsonObject {
    if (this.#head === null) return {}
    const masked = (name: string, part: RegExp): JsonObject => {
      const mask = this.#masks.find(({ field }) => part.test(field))
      return mask === undefined ? { name } : { name, field: mask.field, method: mask.method }
    }
    return { columns: [{ name: 'status' }, masked('headers', /\.header\.[^/]+$/), masked('body', /\.body(?:[/~]|$)/)] }
  }

  #headRow(): readonly (readonly (string | null)[])[] {
    const head = this.#head
    if (head === null) return []
    this.#head = null
    return [[String(head.status), head.headers.map(([name, value]) => `${name}: ${value}`).join('\n'), null]]
  }
}

/** What is no UTF-8, or cut in the middle of a character, is kept as its bytes. */
function cellOf(bytes: Buffer): string | { readonly base64: string } {
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}
