import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { asObject, parseRecord, type EvidenceRecord, type Payload } from './decision-record.ts'
import { directorySource } from './directory-source.ts'
import { splitLine, type EntryKind } from './line.ts'
import { parsePayloadDigest, readPayload } from './payload.ts'
import { parseFrame, type ParsedFrame } from './recording.ts'
import type { EvidenceSource, LineSource } from './source.ts'
import { byAge } from './writers.ts'

/** A record as it stands in evidence, for whoever reads evidence rather than verifies it. */
export interface StoredRecord {
  readonly record: EvidenceRecord
  /** The record as it was recorded, without its payload. */
  readonly fields: JsonObject
  /** Undefined: it has none. Null: erased, or damaged (which is for a verifier to judge). */
  readonly payload: JsonValue | undefined
  readonly leaf: string
  /** The whole line, without its newline. */
  readonly text: string
  /** Which leaf of the log it is; null while no run of the sequence has it. */
  readonly index: number | null
}

export interface StoredFrame {
  readonly frame: ParsedFrame
  readonly fields: JsonObject
  readonly payload: JsonValue | undefined
  readonly leaf: string
  readonly text: string
}

export interface ReadOptions {
  /** First leaf index to hand out; records that no run has come after all that one has. */
  readonly from?: number
  /** Only lines with these bytes, or one of these, in them: a cheap look before one is parsed. */
  readonly mark?: string | readonly string[]
}

/** A directory, live or a copy; or a place of any kind. */
export type Evidence = string | EvidenceSource

export function sourceOf(evidence: Evidence): EvidenceSource {
  return typeof evidence === 'string' ? directorySource(evidence) : evidence
}

/**
 * Every whole record of evidence: in the log's order as far as there is one, then what no run covers yet, writer by
 * writer. Holds one chunk of lines a writer, however much there is. Checks each line's leaf hash, nothing else. Throws
 * EvidenceError ERR_EVIDENCE_TAMPERED for a line that is not a record, unless only the unwritten follows.
 */
export async function* readRecords(evidence: Evidence, options: ReadOptions = {}): AsyncGenerator<StoredRecord> {
  const { from = 0, mark = '' } = options
  const source = sourceOf(evidence)
  const marks = typeof mark === 'string' ? [mark] : mark
  const isMarked = (line: Buffer): boolean => marks.some((each) => line.includes(each))
  const readers = new Map<string, LineSource>()
  for (const { id } of (await source.writers()).toSorted(byAge)) readers.set(id, source.lines('record', id))
  for await (const { writer, index, count } of source.runs()) {
    const reader = readers.get(writer)
    if (reader === undefined) continue // a verifier says what is gone
    for (let at = index; at < index + count; at += 1) {
      const line = await reader.next()
      if (line === undefined) break
      if (at >= from && isMarked(line)) yield storedRecord(entryOf('record', line, reader.where), at)
    }
  }
  for (const reader of readers.values()) {
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
      if (isMarked(line)) yield storedRecord(entryOf('record', line, reader.where), null)
    }
  }
}

/** Every whole frame of one writer, in their order; none when it has no recording. Throws as readRecords does. */
export async function* readFrames(evidence: Evidence, writerId: string): AsyncGenerator<StoredFrame> {
  const reader = sourceOf(evidence).lines('frame', writerId)
  for (let line = await reader.next(); line !== undefined; line = await reader.next()) yield frameOf(line, reader.where)
}

/** One frame's line (without its newline), wherever it was kept; `where` names that. Throws as readRecords does. */
export function frameOf(line: Buffer, where: string): StoredFrame {
  const { fields, payload, leaf, text } = entryOf('frame', line, where)
  const frame = parseFrame(fields, payload)
  if (frame === undefined) throw unreadable(where, 'the fields of a frame')
  return { frame, fields, payload: bodyOf(payload), leaf, text }
}

function storedRecord({ fields, payload, leaf, text, where }: EntryLine, index: number | null): StoredRecord {
  const record = parseRecord(fields, payload)
  if (record === undefined) throw unreadable(where, 'the fields of a record')
  return { record, fields, payload: bodyOf(payload), leaf, text, index }
}

function bodyOf(payload: Payload): JsonValue | undefined {
  switch (payload.kind) {
    case 'none':
      return undefined
    case 'kept':
      return payload.body
    case 'erased':
    case 'damaged':
      return null
  }
}

interface EntryLine {
  readonly fields: JsonObject
  readonly payload: Payload
  readonly leaf: string
  readonly text: string
  readonly where: string
}

/** One record's line (without its newline), wherever it was kept; `where` names that. Throws as readRecords does. */
export function recordOf(line: Buffer, where: string): StoredRecord {
  return storedRecord(entryOf('record', line, where), null)
}

function entryOf(kind: EntryKind, line: Buffer, where: string): EntryLine {
  const parts = splitLine(kind, line)
  const fields = parts === undefined ? null : asObject(parsed(parts.entry))
  const digest = fields === null ? undefined : parsePayloadDigest(fields)
  if (parts === undefined || fields === null || digest === undefined) throw unreadable(where, `a ${kind}`)
  const { salted, leaf } = parts
  const beside = salted === null ? undefined : line.toString('utf8', salted.start, salted.end)
  return { fields, payload: readPayload(digest, beside), leaf, text: line.toString('utf8'), where }
}

function unreadable(where: string, expected: string): EvidenceError {
  const message = `${where}: expected ${expected} as the log wrote it; found other bytes; run countersign evidence verify`
  return new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
}

function parsed(entry: Buffer): JsonValue {
  try {
    const value: JsonValue = JSON.parse(entry.toString('utf8'))
    return value
  } catch {
    return null
  }
}
