import { readEntry, type Entry } from './entry.ts'
import { listOf, objectOf, textsOf, type JsonValue } from './json.ts'

/** A record's line, and what leads from it to the root of the checkpoint. */
export interface ProvenLine {
  readonly line: string
  /** Leaf index in the log; null where no checkpoint covers it. */
  readonly index: number | null
  /** Hashes, base64, lowest first (RFC 6962, 2.1.1). */
  readonly proof: readonly string[]
}

/**
 * All of the evidence that one session's replay is made from, and checked against: the lines as they lie in the log, never
 * a rendering of them. What is shown is made from these lines alone, so that nothing can be shown that isn't checked.
 */
export interface SessionEvidence {
  readonly format: 1
  readonly session: string
  /** In the log's order: the session's own, the policies in force, who looked at it since, what was erased of it. */
  readonly records: readonly ProvenLine[]
  /** The session's frames, in their order. */
  readonly frames: readonly string[]
  /** The signed note, cosignatures and all; null where the directory has no log. */
  readonly checkpoint: string | null
}

/** A record with its place in the log. */
export interface ProvenEntry extends Entry {
  readonly index: number | null
  readonly proof: readonly string[]
}

/** The lines of it, read. `illegible`: those that are no entries at all. */
export interface SessionEntries {
  readonly records: readonly ProvenEntry[]
  readonly frames: readonly Entry[]
  readonly illegible: readonly string[]
}

/** Judges what a page carries, member by member; undefined when it isn't the evidence of a session in this format. */
export function parseSessionEvidence(value: JsonValue): SessionEvidence | undefined {
  const { format, session, records, frames, checkpoint, ...others } = objectOf(value)
  if (format !== 1 || typeof session !== 'string' || Object.keys(others).length > 0) return undefined
  if (typeof checkpoint !== 'string' && checkpoint !== null) return undefined
  const lines = listOf(records).map(parseLine)
  const proven = lines.filter((line) => line !== undefined)
  const texts = allTexts(frames)
  if (lines.length === 0 || proven.length !== lines.length || texts === undefined) return undefined
  return { format, session, records: proven, frames: texts, checkpoint }
}

function parseLine(value: JsonValue): ProvenLine | undefined {
  const { line, index, proof, ...others } = objectOf(value)
  const hashes = allTexts(proof)
  if (typeof line !== 'string' || hashes === undefined || Object.keys(others).length > 0) return undefined
  return typeof index === 'number' || index === null ? { line, index, proof: hashes } : undefined
}

function allTexts(value: JsonValue | undefined): readonly string[] | undefined {
  const texts = textsOf(value)
  return Array.isArray(value) && texts.length === value.length ? texts : undefined
}

export function entriesOf({ records, frames }: SessionEvidence): SessionEntries {
  const illegible: string[] = []
  const read = (text: string): Entry | undefined => {
    const entry = readEntry(text)
    if (entry === undefined) illegible.push(text)
    return entry
  }
  const proven = records.flatMap(({ line, index, proof }): readonly ProvenEntry[] => {
    const entry = read(line)
    return entry === undefined ? [] : [{ ...entry, index, proof }]
  })
  return { records: proven, frames: frames.map(read).filter((entry) => entry !== undefined), illegible }
}
