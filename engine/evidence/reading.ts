import { readdir, readFile } from 'node:fs/promises'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { asObject, parseRecord, type EvidenceRecord, type Payload } from './decision-record.ts'
import { recordingFile, recordsFile, recordsIn, sequenceFile } from './file-store.ts'
import { splitLine, type EntryKind } from './line.ts'
import { ifGone, LineReader } from './line-reader.ts'
import { parsePayloadDigest, readPayload } from './payload.ts'
import { parseFrame, type ParsedFrame } from './recording.ts'
import { parseSequence } from './sequence.ts'
import { byAge, parseWriterFile } from './writers.ts'

/** A record as it stands in a directory, for whoever reads evidence rather than verifies it. */
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

/**
 * Every whole record of a directory (live, or a copy): in the log's order as far as there is one, then what no run covers
 * yet, writer by writer. Holds one chunk of a file a writer, however much there is. Checks each line's leaf hash, nothing
 * else. Throws EvidenceError ERR_EVIDENCE_TAMPERED for a line that is not a record, unless only the unwritten follows.
 */
export async function* readRecords(directory: string, options: ReadOptions = {}): AsyncGenerator<StoredRecord> {
  const { from = 0, mark = '' } = options
  const marks = typeof mark === 'string' ? [mark] : mark
  const isMarked = (line: Buffer): boolean => marks.some((each) => line.includes(each))
  const readers = new Map<string, EntryReader>()
  for (const name of await recordFiles(directory)) readers.set(name, new EntryReader(directory, 'record', name))
  const { runs } = parseSequence((await textOf(sequenceFile(directory))) ?? '')
  for (const { writer, index, count } of runs) {
    const reader = readers.get(writer)
    if (reader === undefined) continue // a verifier says what is gone
    for (let at = index; at < index + count; at += 1) {
      const line = await reader.next()
      if (line === undefined) break
      if (at >= from && isMarked(line)) yield storedRecord(reader.entry(line), at)
    }
  }
  for (const reader of readers.values()) {
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
      if (isMarked(line)) yield storedRecord(reader.entry(line), null)
    }
  }
}

/** Every whole frame of one writer, in file order; none when it has no recording. Throws as readRecords does. */
export async function* readFrames(directory: string, writerId: string): AsyncGenerator<StoredFrame> {
  const reader = new EntryReader(directory, 'frame', writerId)
  for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
    const { fields, payload, leaf, text, where } = reader.entry(line)
    const frame = parseFrame(fields, payload)
    if (frame === undefined) throw unreadable(where, 'the fields of a frame')
    yield { frame, fields, payload: bodyOf(payload), leaf, text }
  }
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

/** One writer's entries of a kind, one after the other. */
class EntryReader {
  readonly #kind: EntryKind
  readonly #lines: LineReader

  constructor(directory: string, kind: EntryKind, writer: string) {
    this.#kind = kind
    this.#lines = new LineReader(kind === 'record' ? recordsFile(directory, writer) : recordingFile(directory, writer))
  }

  /** The next line, good until the one after it is asked for; undefined where what was written ends. */
  next(): Promise<Buffer | undefined> {
    return this.#lines.next()
  }

  /** The line that `next` has just given. */
  entry(line: Buffer): EntryLine {
    return entryOf(this.#kind, line, `${this.#lines.path}:${this.#lines.line}`)
  }
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

async function recordFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(recordsIn(directory))
  const writers = names.map(parseWriterFile).filter((writer) => writer !== undefined)
  return writers.toSorted(byAge).map(({ id }) => id)
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ifGone)
}
