import type { Writer } from '../codec/writer.ts'
import type { ValueMask } from './value-form.ts'

/** The rows of one format. Throws ProtocolError for what isn't of it. */
export interface CopyRows {
  /** Where the row that begins at `start` ends, behind its last byte; -1: not within these bytes. `seen`: how far it was looked at in vain. */
  rowEnd(buffer: Buffer, start: number, seen: number, end: number): number
  /** Writes one row, masked. */
  mask(buffer: Buffer, start: number, end: number, out: Writer): void
  /** Nothing has to follow any more. */
  readonly complete: boolean
}

/** What a format needs to mask a row's fields. */
export interface CopyMasks {
  readonly columns: number
  /** By column; undefined where it goes out as it is. */
  readonly at: readonly (ValueMask | undefined)[]
  /** One value of this column was hidden. */
  count(column: number): void
}

/** Whether these bytes are this text. */
export function reads(buffer: Buffer, start: number, end: number, text: Buffer): boolean {
  if (end - start !== text.length) return false
  for (let at = start; at < end; at += 1) if (buffer[at] !== text[at - start]) return false
  return true
}
