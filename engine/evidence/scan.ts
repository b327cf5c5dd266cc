import type { JsonObject } from '../access-request.ts'
import { parseRecord, type EvidenceRecord, type Payload } from './decision-record.ts'
import type { Finding, Place, Report } from './finding.ts'
import { decodeLine, type EntryKind } from './line.ts'
import { eachLine, type Tail } from './lines.ts'
import { NO_LEAF } from './merkle.ts'
import { FrameFold, parseFrame, type ParsedFrame, type RecordingTotal } from './recording.ts'

/** How far a writer's records file is whole. */
export interface RecordsScan {
  readonly file: string
  readonly writerId: string
  readonly records: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Leaf hash of the last record. */
  readonly head: string
  readonly bytes: number
  readonly tail: Tail | null
  readonly gaps: readonly { readonly from: number; readonly to: number }[]
  /** `writer.closed` for itself is the last record. */
  readonly closed: boolean
  /** What that record says of the recording. */
  readonly closing: JsonObject | null
}

export interface FramesScan {
  readonly file: string
  readonly total: RecordingTotal
  readonly sessions: number
  readonly bytes: number
  readonly tail: Tail | null
}

/** Where a scan reads and whom it tells. */
export interface ScanSource {
  /** The file's path, or its bytes from the first on. */
  readonly content: string | AsyncIterable<Buffer>
  /** The name that findings give the file. */
  readonly file: string
  readonly writerId: string
  readonly report: Report
}

type OnRecord = (record: EvidenceRecord, place: Place, leaf: string) => void
type OnFrame = (frame: ParsedFrame, leaf: string, place: Place) => void

/** Reads a records file from its first byte, checks every line and the chain, and hands out each record that is whole. */
export async function scanRecords(source: ScanSource, onRecord: OnRecord): Promise<RecordsScan> {
  const chain = new RecordChain(source, onRecord)
  const { bytes, tail } = await eachLine(source.content, (line, number) => chain.line(line, number))
  return chain.end(bytes, tail)
}

/** The lines of one records file, in order: each by itself, and how it follows the one before. */
export class RecordChain {
  readonly #source: ScanSource
  readonly #onRecord: OnRecord
  readonly #gaps: { from: number; to: number }[] = []
  #records = 0
  #first = 0
  #seq = 0
  #head = NO_LEAF
  #closing: JsonObject | null = null

  constructor(source: ScanSource, onRecord: OnRecord) {
    this.#source = source
    this.#onRecord = onRecord
  }

  line(bytes: Buffer, number: number): void {
    const place = { file: this.#source.file, line: number }
    if (this.#closing !== null) this.#afterClosing(place)
    this.#closing = null
    const line = decodeEntry('record', bytes, place, this.#source.report)
    const record = line.entry === null ? undefined : parseRecord(line.entry, line.payload)
    if (record !== undefined && line.leaf !== null) this.#record(record, place, line.leaf)
    else {
      if (line.entry !== null) this.#source.report(tampered(place, 'not a record', 'the fields of a record', 'others'))
      this.#seq += 1 // The next line tells whether it really was this one's place.
    }
    this.#head = line.leaf ?? this.#head
  }

  end(bytes: number, tail: Tail | null): RecordsScan {
    const { file, writerId } = this.#source
    return {
      file,
      writerId,
      records: this.#records,
      firstSeq: this.#first,
      lastSeq: this.#seq,
      head: this.#head,
      bytes,
      tail,
      gaps: this.#gaps,
      closed: this.#closing !== null && tail === null,
      closing: this.#closing,
    }
  }

  #record(record: EvidenceRecord, place: Place, leaf: string): void {
    const { writerId, report } = this.#source
    const id = `${record.writerId}:${record.seq}`
    if (record.writerId !== writerId) report(tampered(place, 'another writer’s record', writerId, record.writerId))
    if (record.id !== id) report(tampered(place, 'the id does not name this record', id, record.id))
    this.#link(record, place)
    this.#records += 1
    if (this.#first === 0) this.#first = record.seq
    this.#closing = closesItself(record) ? (record.detail ?? {}) : null
    this.#onRecord(record, place, leaf)
  }

  #link(record: EvidenceRecord, place: Place): void {
    const expected = this.#seq + 1
    if (record.seq !== expected) {
      const how = record.seq > expected ? 'records are missing before this one' : 'a record out of its place'
      const message = `the sequence is broken: ${how}`
      this.#source.report(tampered(place, message, `seq ${expected}`, `seq ${record.seq}`))
      if (record.seq > expected) this.#gaps.push({ from: expected, to: record.seq - 1 })
    } else if (record.prev !== this.#head) {
      this.#source.report(
        tampered(place, 'does not follow the record before it', `prev ${this.#head}`, `prev ${record.prev}`),
      )
    }
    this.#seq = record.seq
  }

  #afterClosing(place: Place): void {
    this.#source.report(tampered(place, 'a record after the writer closed', 'the end of the file', 'another line'))
  }
}

/** Whether a record is its own writer's clean end. */
export function closesItself(record: EvidenceRecord): boolean {
  return record.event === 'writer.closed' && record.detail?.writer_id === record.writerId
}

/** Reads a recording file from its first byte, checks every line and each session's chain, and hands out each frame. */
export async function scanFrames(source: ScanSource, onFrame: OnFrame): Promise<FramesScan> {
  const chain = new FrameChains(source, onFrame)
  const { bytes, tail } = await eachLine(source.content, (line, number) => chain.line(line, number))
  return chain.end(bytes, tail)
}

/** Where a session's recording is: its last frame so far. */
export interface SessionEnd {
  readonly index: number
  readonly head: string
  readonly line: number
}

/** The lines of one recording file, in order: each by itself, and how it follows its session's frame before. */
export class FrameChains {
  readonly fold: FrameFold = new FrameFold()
  readonly #sessions = new Map<string, SessionEnd>()
  #count = 0
  readonly #source: ScanSource
  readonly #onFrame: OnFrame

  constructor(source: ScanSource, onFrame: OnFrame) {
    this.#source = source
    this.#onFrame = onFrame
  }

  line(bytes: Buffer, number: number): void {
    const place = { file: this.#source.file, line: number }
    const line = decodeEntry('frame', bytes, place, this.#source.report)
    const frame = line.entry === null ? undefined : parseFrame(line.entry, line.payload)
    if (frame !== undefined && line.leaf !== null) this.#frame(frame, line.leaf, place)
    else if (line.entry !== null) this.#source.report(tampered(place, 'not a frame', 'the fields of a frame', 'others'))
    if (line.leaf !== null) this.fold.add(line.leaf)
  }

  /** Undefined before its first frame, and once it is forgotten. */
  session(id: string): SessionEnd | undefined {
    return this.#sessions.get(id)
  }

  /** For a session that is over: what is kept would grow with all that ever were. */
  forget(id: string): void {
    this.#sessions.delete(id)
  }

  end(bytes: number, tail: Tail | null): FramesScan {
    return { file: this.#source.file, total: this.fold.total(), sessions: this.#count, bytes, tail }
  }

  #frame(frame: ParsedFrame, leaf: string, place: Place): void {
    const { writerId, report } = this.#source
    const before = this.#sessions.get(frame.session) ?? { index: 0, head: NO_LEAF }
    if (before.index === 0) this.#count += 1
    if (frame.writerId !== writerId) report(tampered(place, 'another writer’s frame', writerId, frame.writerId))
    if (frame.seq !== place.line)
      report(tampered(place, 'the sequence is broken', `seq ${place.line}`, `seq ${frame.seq}`))
    if (frame.index !== before.index + 1) {
      report(tampered(place, 'the session’s frames are broken', `frame ${before.index + 1}`, `frame ${frame.index}`))
    } else if (frame.prev !== before.head) {
      report(
        tampered(place, 'does not follow the session’s frame before it', `prev ${before.head}`, `prev ${frame.prev}`),
      )
    }
    this.#sessions.set(frame.session, { index: frame.index, head: leaf, line: place.line })
    this.#onFrame(frame, leaf, place)
  }
}

function decodeEntry(
  kind: EntryKind,
  bytes: Buffer,
  place: Place,
  report: Report,
): { readonly entry: JsonObject | null; readonly leaf: string | null; readonly payload: Payload } {
  const line = decodeLine(kind, bytes)
  if (line.kind === 'entry') return line
  report(tampered(place, 'the line was changed', line.expected, line.found))
  return { entry: null, leaf: line.leaf, payload: { kind: 'none' } }
}

export function tampered(place: Place, message: string, expected: string, found: string): Finding {
  return { severity: 'tampered', ...place, message, expected, found }
}
