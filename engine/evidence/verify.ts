import { access, readdir } from 'node:fs/promises'
import { Causality } from './causality.ts'
import type { EvidenceRecord, Payload, RecordingHead } from './decision-record.ts'
import { recordingFile, recordingsIn, recordsFile, recordsIn } from './file-store.ts'
import type { Finding, Place, Report, Severity } from './finding.ts'
import { isInstanceRunning } from './lock.ts'
import { LogCheck, type LogReport, type Trust } from './log-check.ts'
import type { InDoubt } from './recovery.ts'
import { scanFrames, scanRecords, tampered, type FramesScan } from './scan.ts'
import { Succession, type ScannedWriter, type WriterState } from './succession.ts'
import { byAge, parseWriterFile, type WriterName } from './writers.ts'

/** More findings than this are counted, not kept: a hostile directory must not fill the verifier's memory. */
const MAX_FINDINGS = 1000

export interface WriterReport {
  readonly writerId: string
  readonly state: WriterState
  readonly firstSeq: number
  readonly lastSeq: number
  readonly records: number
  readonly frames: number
  readonly sessions: number
  readonly gaps: readonly { readonly from: number; readonly to: number }[]
  /** Bytes of a last write that a crash left unfinished; none of it was ever acknowledged. */
  readonly tornBytes: number
}

export interface VerifyReport {
  /** The worst that was found. */
  readonly status: 'ok' | Severity
  readonly directory: string
  readonly records: number
  readonly frames: number
  readonly sessions: number
  /** Records by event. */
  readonly events: Readonly<Record<string, number>>
  readonly writers: readonly WriterReport[]
  /** Intents whose outcome nobody knows, with or without an outcome.unknown. */
  readonly inDoubt: readonly InDoubt[]
  /** Intents of running writers that have no outcome yet. */
  readonly underway: number
  readonly findings: readonly Finding[]
  /** What was signed, and whether the records are that; null where the directory was written without a log's key. */
  readonly log: LogReport | null
  /** Findings beyond the first 1000. */
  readonly omitted: number
}

/**
 * Derives everything again from the files of an evidence directory, which may be a copy and is never written to: every line's
 * bytes, each writer's chain and end, each session's recording, outcomes against intents, approvals before their use; and
 * the tree over all records against the checkpoint, whose signature it can judge only by a key in `trust`.
 * Doesn't throw: what stands in the way becomes a finding of severity `cannot`.
 */
export async function verifyEvidence(directory: string, trust: Trust = {}): Promise<VerifyReport> {
  const verification = new Verification(directory, trust)
  try {
    await verification.run()
  } catch (error) {
    verification.stopped(error)
  }
  return verification.result()
}

class Verification {
  readonly #directory: string
  readonly #findings: Finding[] = []
  readonly #severities = new Set<Severity>()
  readonly #events: Record<string, number> = {}
  readonly #writers: WriterReport[] = []
  readonly #inDoubt: InDoubt[] = []
  readonly #report: Report = (finding) => this.#note(finding)
  readonly #causality: Causality = new Causality(this.#report)
  readonly #succession: Succession = new Succession(this.#report)
  readonly #logCheck: LogCheck
  #log: LogReport | null = null
  #omitted = 0
  #underway = 0

  constructor(directory: string, trust: Trust) {
    this.#directory = directory
    this.#logCheck = new LogCheck(directory, trust, this.#report)
  }

  async run(): Promise<void> {
    await this.#logCheck.read()
    const names = await this.#list()
    const scanned: ScannedWriter[] = []
    for (const name of names) scanned.push(await this.#scan(name))
    for (const writers of Map.groupBy(scanned, ({ name }) => name.instance).values()) this.#judge(writers)
    this.#causality.end()
    this.#judgeOpenIntents()
    this.#log = await this.#logCheck.judge(this.#writers.some(({ state }) => state === 'running'))
  }

  stopped(error: unknown): void {
    const found = error instanceof Error ? error.message : String(error)
    const message = 'the directory can’t be verified'
    this.#note({ severity: 'cannot', file: '.', line: null, message, expected: 'a readable evidence directory', found })
  }

  result(): VerifyReport {
    return {
      status: worst(this.#severities),
      directory: this.#directory,
      records: sum(this.#writers, ({ records }) => records),
      frames: sum(this.#writers, ({ frames }) => frames),
      sessions: sum(this.#writers, ({ sessions }) => sessions),
      events: this.#events,
      writers: this.#writers,
      inDoubt: this.#inDoubt,
      underway: this.#underway,
      log: this.#log,
      findings: this.#findings,
      omitted: this.#omitted,
    }
  }

  #note(finding: Finding): void {
    this.#severities.add(finding.severity)
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding)
    else this.#omitted += 1
  }

  async #list(): Promise<readonly WriterName[]> {
    const records = await readdir(recordsIn(this.#directory))
    const recordings = await readdir(recordingsIn(this.#directory))
    const writers = this.#named('records', records)
    const known = new Set(writers.map(({ id }) => id))
    for (const { id } of this.#named('recordings', recordings)) if (!known.has(id)) await this.#judgeOrphan(id)
    if (writers.length === 0) this.stopped(new Error('no writer’s records'))
    return writers
  }

  #named(folder: string, files: readonly string[]): readonly WriterName[] {
    const writers: WriterName[] = []
    for (const file of files) {
      const writer = parseWriterFile(file)
      if (writer !== undefined) writers.push(writer)
      else this.#note(stranger(`${folder}/${file}`))
    }
    return writers.toSorted(byAge)
  }

  // A writer makes its recording file first: an empty one alone is what a crash between the two leaves.
  async #judgeOrphan(writerId: string): Promise<void> {
    const { bytes, tail } = await this.#scanFrames(writerId, new Map())
    if (bytes > 0 || tail !== null) {
      const place = { file: `recordings/${writerId}.ndjson`, line: 1 }
      this.#note(tampered(place, 'a recording without its records', `records/${writerId}.ndjson`, 'no such file'))
    }
  }

  // The records first: a record names only frames that were durable before it, so a running writer is not caught between.
  async #scan(name: WriterName): Promise<ScannedWriter> {
    const running = isInstanceRunning(this.#directory, name.instance)
    const heads: NamedHeads = new Map()
    const records = await scanRecords(
      {
        content: recordsFile(this.#directory, name.id),
        file: `records/${name.id}.ndjson`,
        writerId: name.id,
        report: this.#report,
      },
      (record, place, leaf) => {
        this.#logCheck.add(record, place, leaf)
        this.#payload(record.payload, place)
        this.#record(record, place, heads)
      },
    )
    const frames = (await this.#hasRecording(name.id)) ? await this.#scanFrames(name.id, heads) : null
    for (const named of heads.values())
      for (const { head, place } of named.values()) this.#note(cutRecording(head, place))
    return { name, records, frames, running }
  }

  #payload(payload: Payload, place: Place): void {
    if (payload.kind === 'none' || payload.kind === 'kept') return
    const found = payload.kind === 'erased' ? 'none: it was erased' : payload.found
    this.#note(tampered(place, 'the payload was changed', 'what the entry has the digest of', found))
  }

  #record(record: EvidenceRecord, place: Place, heads: NamedHeads): void {
    this.#events[record.event] = (this.#events[record.event] ?? 0) + 1
    this.#succession.add(record, place)
    this.#causality.add(record, place)
    const { recording: head, session } = record
    if (head === null || session === null) return
    const named = heads.get(session) ?? new Map<number, NamedHead>()
    named.set(head.frames, { head, place })
    heads.set(session, named)
  }

  async #hasRecording(writerId: string): Promise<boolean> {
    try {
      await access(recordingFile(this.#directory, writerId))
      return true
    } catch {
      const place = { file: `recordings/${writerId}.ndjson`, line: null }
      const finding = { message: 'the recording is gone', expected: 'a file for each writer', found: 'none' }
      this.#note({ severity: 'tampered', ...place, ...finding })
      return false
    }
  }

  #scanFrames(writerId: string, heads: NamedHeads): Promise<FramesScan> {
    const file = `recordings/${writerId}.ndjson`
    const source = { content: recordingFile(this.#directory, writerId), file, writerId, report: this.#report }
    return scanFrames(source, ({ session, index, payload }, leaf, place) => {
      this.#payload(payload, place)
      const named = heads.get(session)?.get(index)
      if (named === undefined) return
      heads.get(session)?.delete(index)
      if (named.head.head === leaf) return
      const record = `${named.place.file}:${named.place.line}`
      this.#note(tampered(place, `not the frame that ${record} names`, `leaf ${named.head.head}`, `leaf ${leaf}`))
    })
  }

  #judge(writers: readonly ScannedWriter[]): void {
    const newest = writers.at(-1)
    const judged = writers.map((writer) => ({ ...writer, running: writer.running && writer === newest }))
    const states = this.#succession.judge(judged)
    for (const [index, writer] of writers.entries()) this.#writers.push(writerReport(writer, states[index] ?? 'open'))
  }

  #judgeOpenIntents(): void {
    this.#inDoubt.push(...this.#causality.unknown)
    const states = new Map(this.#writers.map(({ writerId, state }) => [writerId, state]))
    for (const { about, place } of this.#causality.open()) {
      if (states.get(about.writer) === 'running') {
        this.#underway += 1
        continue
      }
      this.#inDoubt.push(about)
      if (states.get(about.writer) === 'open') continue // Its end is missing: one finding says so.
      const message = `decision ${about.decision} has no outcome`
      const finding = { message, expected: 'outcome.ok, outcome.failed or outcome.unknown', found: 'none' }
      this.#note({ severity: 'incomplete', ...place, ...finding })
    }
  }
}

interface NamedHead {
  readonly head: RecordingHead
  readonly place: Place
}

/** Per session, by frame count: what its records say of its recording and no frame has answered yet. */
type NamedHeads = Map<string, Map<number, NamedHead>>

function cutRecording(head: RecordingHead, place: Place): Finding {
  const expected = `frame ${head.frames} of its session, leaf ${head.head}`
  return tampered(place, 'names a frame that is not in the recording', expected, 'no such frame')
}

function stranger(file: string): Finding {
  const message = 'not a file of the log'
  return { severity: 'cannot', file, line: null, message, expected: '<instance>.<boot>.ndjson', found: 'another name' }
}

function writerReport({ name, records, frames }: ScannedWriter, state: WriterState): WriterReport {
  return {
    writerId: name.id,
    state,
    firstSeq: records.firstSeq,
    lastSeq: records.lastSeq,
    records: records.records,
    frames: frames?.total.frames ?? 0,
    sessions: frames?.sessions ?? 0,
    gaps: records.gaps,
    tornBytes: state === 'running' ? 0 : (records.tail?.bytes ?? 0) + (frames?.tail?.bytes ?? 0),
  }
}

function worst(severities: ReadonlySet<Severity>): 'ok' | Severity {
  if (severities.has('tampered')) return 'tampered'
  if (severities.has('cannot')) return 'cannot'
  return severities.has('incomplete') ? 'incomplete' : 'ok'
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0)
}
