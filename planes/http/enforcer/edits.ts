/** A range of bytes and what takes its place. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Carries edits out, which come in order and don't overlap; all other bytes stay as they are. */
export function edited(bytes: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes
  const pieces: Buffer[] = []
  let copied = 0
  for (const { start, end, text } of edits) {
    pieces.push(bytes.subarray(copied, start), Buffer.from(text))
    copied = end
  }
  pieces.push(bytes.subarray(copied))
  return Buffer.concat(pieces)
}
