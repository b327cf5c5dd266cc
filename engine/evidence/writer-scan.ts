import { access } from 'node:fs/promises'
import type { EvidenceRecord, RecordingHead } from './decision-record.ts'
import { recordingFile, recordsFile } from './file-store.ts'
import type { Finding, Place, Report } from './finding.ts'
import { LineCursor } from './line-cursor.ts'
import { FrameChains, RecordChain, tampered, type FramesScan } from './scan.ts'
import type { ParsedFrame } from './recording.ts'
import type { ScannedWriter } from './succession.ts'
import type { WriterName } from './writers.ts'

/** Sessions that are over and whose end is still known: frames that were on their way then come soon after. */
const REMEMBERED_SESSIONS = 1024

export interface WriterScanOptions {
  readonly directory: string
  readonly name: WriterName
  readonly running: boolean
  readonly report: Report
  readonly onRecord: (record: EvidenceRecord, place: Place, leaf: string) => void
  readonly onFrame: (frame: ParsedFrame, place: Place) => void
}

interface Taken {
  readonly record: EvidenceRecord
  readonly place: Place
  readonly leaf: string
}

/**
 * Follows one writer through both of its files, in step: a record names only frames that were durable before it, in the
 * order of the file. So what has to be kept of a recording is where its open sessions are, however long it is.
 */
export class WriterScan {
  readonly name: WriterName
  readonly running: boolean
  readonly #options: WriterScanOptions
  readonly #records: LineCursor
  readonly #chain: RecordChain
  readonly #frames: LineCursor
  readonly #frameChains: FrameChains
  readonly #over: string[] = []
  #hasFrames: boolean | null = null
  #last: Taken | null = null

  constructor(options: WriterScanOptions) {
    const { directory, name, running, report } = options
    this.name = name
    this.running = running
    this.#options = options
    this.#records = new LineCursor(recordsFile(directory, name.id))
    this.#frames = new LineCursor(recordingFile(directory, name.id))
    const source = { writerId: name.id, report }
    this.#chain = new RecordChain(
      { ...source, content: recordsFile(directory, name.id), file: `records/${name.id}.ndjson` },
      (record, place, leaf) => (this.#last = { record, place, leaf }),
    )
    this.#frameChains = new FrameChains(
      { ...source, content: recordingFile(directory, name.id), file: `recordings/${name.id}.ndjson` },
      (frame, _leaf, place) => options.onFrame(frame, place),
    )
  }

  /** Reads one line more; answers the record's leaf, null for a line that is none, undefined where the file ends. */
  async next(): Promise<{ readonly seq: number; readonly leaf: string } | null | undefined> {
    const line = this.#records.next() ?? ((await this.#records.fill()) ? this.#records.next() : undefined)
    if (line === undefined) return undefined
    this.#last = null
    this.#chain.line(line, this.#records.lines)
    return this.#took()
  }

  /** All that is left of both files, and what they say of themselves. */
  async finish(): Promise<ScannedWriter> {
    while ((await this.next()) !== undefined);
    const { bytes, tail } = await this.#records.end()
    return {
      name: this.name,
      records: this.#chain.end(bytes, tail),
      frames: await this.#finishFrames(),
      running: this.running,
    }
  }

  async #took(): Promise<{ readonly seq: number; readonly leaf: string } | null> {
    const last = this.#taken()
    if (last === null) return null
    const { record, place, leaf } = last
    this.#options.onRecord(record, place, leaf)
    if (record.session !== null && record.recording !== null) {
      const reached = this.#isAt(record.session, record.recording)
      if (!reached) await this.#reach(record.session, record.recording)
      this.#compare(record.session, record.recording, place)
    }
    if (record.session !== null && record.event === 'session.closed') this.#forgetLater(record.session)
    return { seq: record.seq, leaf }
  }

  // The chain hands it out while it is given the line, which the compiler can't see.
  #taken(): Taken | null {
    return this.#last
  }

  #isAt(session: string, head: RecordingHead): boolean {
    return (this.#frameChains.session(session)?.index ?? 0) >= head.frames
  }

  async #reach(session: string, head: RecordingHead): Promise<void> {
    if (!(await this.#recorded())) return
    while (!this.#isAt(session, head)) {
      const line = this.#frames.next() ?? ((await this.#frames.fill()) ? this.#frames.next() : undefined)
      if (line === undefined) return
      this.#frameChains.line(line, this.#frames.lines)
    }
  }

  #compare(session: string, head: RecordingHead, place: Place): void {
    const end = this.#frameChains.session(session)
    const record = `${place.file}:${place.line}`
    if (end?.index !== head.frames) {
      if (this.#hasFrames !== false) this.#options.report(cutRecording(head, place, end?.index ?? 0))
    } else if (end.head !== head.head) {
      const frame = { file: `recordings/${this.name.id}.ndjson`, line: end.line }
      const message = `not the frame that ${record} names`
      this.#options.report(tampered(frame, message, `leaf ${head.head}`, `leaf ${end.head}`))
    }
  }

  #forgetLater(session: string): void {
    this.#over.push(session)
    const oldest = this.#over.length > REMEMBERED_SESSIONS ? this.#over.shift() : undefined
    if (oldest !== undefined) this.#frameChains.forget(oldest)
  }

  async #finishFrames(): Promise<FramesScan | null> {
    if (!(await this.#recorded())) return null
    for (;;) {
      const line = this.#frames.next() ?? ((await this.#frames.fill()) ? this.#frames.next() : undefined)
      if (line === undefined) break
      this.#frameChains.line(line, this.#frames.lines)
    }
    const { bytes, tail } = await this.#frames.end()
    return this.#frameChains.end(bytes, tail)
  }

  async #recorded(): Promise<boolean> {
    if (this.#hasFrames !== null) return this.#hasFrames
    this.#hasFrames = await access(recordingFile(this.#options.directory, this.name.id)).then(
      () => true,
      () => false,
    )
    if (!this.#hasFrames) this.#options.report(goneRecording(this.name))
    return this.#hasFrames
  }
}

function cutRecording(head: RecordingHead, place: Place, reached: number): Finding {
  const expected = `frame ${head.frames} of its session, leaf ${head.head}`
  const found = reached > head.frames ? `frame ${reached}, named earlier` : 'no such frame'
  return tampered(place, 'names a frame that is not in the recording', expected, found)
}

function goneRecording({ id }: WriterName): Finding {
  const place = { file: `recordings/${id}.ndjson`, line: null }
  const finding = { message: 'the recording is gone', expected: 'a file for each writer', found: 'none' }
  return { severity: 'tampered', ...place, ...finding }
}
