import type { JsonObject, JsonValue } from '../access-request.ts'
import { asObject, asText, READABLE_FORMATS, type EvidenceRecord } from './decision-record.ts'
import type { Finding, Place, Report } from './finding.ts'
import type { Tail } from './lines.ts'
import { closesItself, tampered, type FramesScan, type RecordsScan } from './scan.ts'
import type { WriterName } from './writers.ts'

/**
 * How a writer ended. `clean`: it closed itself. `crash`: a later writer closed it. `running`: its process lives. `open`:
 * none of these, so nothing shows where it should end.
 */
export type WriterState = 'clean' | 'crash' | 'running' | 'open'

export interface ScannedWriter {
  readonly name: WriterName
  readonly records: RecordsScan
  /** null: there is no recording file. */
  readonly frames: FramesScan | null
  readonly running: boolean
}

interface Statement {
  readonly detail: JsonObject
  readonly place: Place
}

/**
 * What writers say of each other and of their own end: `writer.opened` names the one before, `writer.recovered` and
 * `writer.closed` pin where a dead one ended. Gathered record by record, judged when all files are read.
 */
export class Succession {
  readonly #report: Report
  readonly #opened = new Map<string, Statement>()
  readonly #recovered: Statement[] = []
  readonly #closed = new Set<string>()

  constructor(report: Report) {
    this.#report = report
  }

  add(record: EvidenceRecord, place: Place): void {
    const detail = record.detail ?? {}
    if (record.seq === 1) this.#first(record, { detail, place })
    if (record.event === 'writer.recovered') this.#recovered.push({ detail, place })
    const closed = record.event === 'writer.closed' && !closesItself(record) ? asText(detail.writer_id) : null
    if (closed !== null) this.#closed.add(closed)
  }

  /** Judges one instance's writers, oldest first, and answers how each ended. */
  judge(writers: readonly ScannedWriter[]): readonly WriterState[] {
    return writers.map((writer, index) => {
      this.#judgePrevious(writer, writers[index - 1])
      this.#judgeRecovered(writer)
      return this.#judgeEnd(writer)
    })
  }

  #first(record: EvidenceRecord, statement: Statement): void {
    const { detail, place } = statement
    if (record.event !== 'writer.opened') {
      this.#report(tampered(place, 'does not begin as a writer does', 'writer.opened', record.event))
      return
    }
    this.#opened.set(record.writerId, statement)
    if (READABLE_FORMATS.includes(detail.format)) return
    const message = 'written in a format that this version does not know'
    const found = `format ${asNumber(detail.format)}`
    this.#report({ severity: 'cannot', ...place, message, expected: `format ${READABLE_FORMATS.join(' or ')}`, found })
  }

  #judgePrevious({ name }: ScannedWriter, before: ScannedWriter | undefined): void {
    const opened = this.#opened.get(name.id)
    if (opened === undefined) return
    const expected = before === undefined ? 'none (it is the first here)' : endOf(before)
    const named = asObject(opened.detail.previous)
    const found = named === null ? 'none' : endText(named.writer_id, named.last_seq, named.head)
    if (before === undefined ? named === null : found === expected) return
    this.#report(tampered(opened.place, 'names another writer, or another end of it, before itself', found, expected))
  }

  #judgeRecovered({ name, records, frames }: ScannedWriter): void {
    for (const { detail, place } of this.#recovered) {
      if (detail.writer_id !== name.id) continue
      const about = `${place.file}:${place.line}`
      this.#compare(records.file, `not as ${about} found it when the writer had died`, {
        expected: recoveredText(detail.last_seq, detail.head, detail.bytes, tornText(asObject(detail.torn))),
        found: recoveredText(records.lastSeq, records.head, records.bytes, tornText(records.tail)),
      })
      const recording = asObject(detail.recording) ?? {}
      this.#compare(`recordings/${name.id}.ndjson`, `not as ${about} found it when the writer had died`, {
        expected: totalText(recording.frames, recording.digest, tornText(asObject(recording.torn))),
        found: totalText(frames?.total.frames ?? 0, frames?.total.digest ?? 'missing', tornText(frames?.tail ?? null)),
      })
    }
  }

  #judgeEnd(writer: ScannedWriter): WriterState {
    if (writer.records.closing !== null) {
      this.#judgeClosing(writer, writer.records.closing)
      return 'clean'
    }
    for (const scan of [writer.records, writer.frames]) if (scan !== null) this.#judgeOversized(scan)
    if (this.#closed.has(writer.name.id) && this.#isAccounted(writer.name.id)) return 'crash'
    if (writer.running) return 'running'
    this.#report(unclosed(writer.records))
    return 'open'
  }

  // A crash's end counts only with the account that pins it.
  #isAccounted(writerId: string): boolean {
    return this.#recovered.some(({ detail }) => detail.writer_id === writerId)
  }

  #judgeClosing({ name, records, frames }: ScannedWriter, closing: JsonObject): void {
    this.#compare(records.file, 'does not end where the writer closed', {
      expected: `seq ${asNumber(closing.last_seq)}, ${tornText(null)}`,
      found: `seq ${records.lastSeq}, ${tornText(records.tail)}`,
    })
    const recording = asObject(closing.recording) ?? {}
    this.#compare(`recordings/${name.id}.ndjson`, 'not the recording that the writer closed with', {
      expected: totalText(recording.frames, recording.digest, tornText(null)),
      found: totalText(frames?.total.frames ?? 0, frames?.total.digest ?? 'missing', tornText(frames?.tail ?? null)),
    })
  }

  #judgeOversized({ file, tail }: { readonly file: string; readonly tail: Tail | null }): void {
    if (tail?.kind !== 'oversized') return
    const found = `${tail.bytes} bytes without one`
    this.#report(tampered({ file, line: tail.line }, 'not a line', 'a newline within the size of an entry', found))
  }

  #compare(
    file: string,
    message: string,
    { expected, found }: { readonly expected: string; readonly found: string },
  ): void {
    if (expected !== found) this.#report({ severity: 'tampered', file, line: null, message, expected, found })
  }
}

function unclosed({ file, lastSeq, tail }: RecordsScan): Finding {
  return {
    severity: 'incomplete',
    file,
    line: null,
    message: 'the writer never closed: it was killed and its gateway not started again since, or the end was cut off',
    expected: 'writer.closed, by itself or by the next writer of its instance',
    found: `nothing after seq ${lastSeq}${tail === null ? '' : `, and ${tornText(tail)}`}`,
  }
}

function endOf({ name, records }: ScannedWriter): string {
  return endText(name.id, records.lastSeq, records.head)
}

function endText(writerId: JsonValue | undefined, seq: JsonValue | undefined, head: JsonValue | undefined): string {
  return `${asText(writerId)} up to seq ${asNumber(seq)}, leaf ${asText(head)}`
}

function recoveredText(
  seq: JsonValue | undefined,
  head: JsonValue | undefined,
  bytes: JsonValue | undefined,
  torn: string,
): string {
  return `seq ${asNumber(seq)}, leaf ${asText(head)}, ${asNumber(bytes)} bytes, ${torn}`
}

function totalText(frames: JsonValue | undefined, digest: JsonValue | undefined, torn: string): string {
  return `${asNumber(frames)} frames, digest ${asText(digest)}, ${torn}`
}

function tornText(tail: Pick<Tail, 'bytes' | 'sha256'> | JsonObject | null): string {
  return tail === null ? 'no torn bytes' : `${asNumber(tail.bytes)} torn bytes (SHA-256 ${asText(tail.sha256)})`
}

function asNumber(value: JsonValue | undefined): string {
  return typeof value === 'number' ? String(value) : 'none'
}
