import { readdir, stat } from 'node:fs/promises'
import { Causality } from './causality.ts'
import { settledAs, type EvidenceRecord } from './decision-record.ts'
import { Erasures } from './erasures.ts'
import { recordingFile, recordingsIn, recordsIn } from './file-store.ts'
import type { Finding, Place, Report, Severity } from './finding.ts'
import { isInstanceRunning } from './lock.ts'
import { LogCheck, type LogReport, type Trust } from './log-check.ts'
import type { InDoubt } from './recovery.ts'
import { tampered } from './scan.ts'
import { Succession, type ScannedWriter, type WriterState } from './succession.ts'
import { WriterScan } from './writer-scan.ts'
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
  /** Intents that tell their outcomes themselves. */
  readonly settled: number
  readonly writers: readonly WriterReport[]
  /** Intents whose outcome nobody knows, with or without an outcome.unknown. */
  readonly inDoubt: readonly InDoubt[]
  /** Intents of running writers that have no outcome yet. */
  readonly underway: number
  /** Payloads that were erased, and by retention.applied records rightly so. */
  readonly erased: number
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
  #settled = 0
  readonly #writers: WriterReport[] = []
  readonly #inDoubt: InDoubt[] = []
  readonly #report: Report = (finding) => this.#note(finding)
  readonly #causality: Causality = new Causality(this.#report)
  readonly #succession: Succession = new Succession(this.#report)
  readonly #erasures: Erasures = new Erasures(this.#report)
  readonly #logCheck: LogCheck
  #log: LogReport | null = null
  #omitted = 0
  #underway = 0

  constructor(directory: string, trust: Trust) {
    this.#directory = directory
    this.#logCheck = new LogCheck(directory, trust, this.#report)
  }

  async run(): Promise<void> {
    const scans = await this.#open()
    await this.#logCheck.read([...scans.values()].some(({ running }) => running))
    await this.#follow(scans)
    this.#logCheck.at(null)
    const scanned: ScannedWriter[] = []
    for (const scan of scans.values()) scanned.push(await scan.finish())
    for (const writers of Map.groupBy(scanned, ({ name }) => name.instance).values()) this.#judge(writers)
    this.#causality.end()
    this.#erasures.judge()
    this.#judgeOpenIntents()
    this.#log = await this.#logCheck.judge()
  }

  // In the log's order, where there is one: what no run has is read after it, writer by writer.
  async #follow(scans: ReadonlyMap<string, WriterScan>): Promise<void> {
    for await (const run of this.#logCheck.runs()) {
      for (let seq = run.seq; seq < run.seq + run.count; seq += 1) {
        this.#logCheck.at(run.index + seq - run.seq)
        const line = await scans.get(run.writer)?.next()
        if (line?.seq === seq) await this.#logCheck.grow(line.leaf)
        else this.#logCheck.cut(run, seq)
        if (line === undefined) break
      }
    }
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
      settled: this.#settled,
      writers: this.#writers,
      inDoubt: this.#inDoubt,
      underway: this.#underway,
      erased: this.#erasures.count,
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

  async #open(): Promise<ReadonlyMap<string, WriterScan>> {
    const records = await readdir(recordsIn(this.#directory))
    const recordings = await readdir(recordingsIn(this.#directory))
    const writers = this.#named('records', records)
    const known = new Set(writers.map(({ id }) => id))
    for (const name of this.#named('recordings', recordings)) if (!known.has(name.id)) await this.#judgeOrphan(name)
    if (writers.length === 0) this.stopped(new Error('no writer’s records'))
    const running = new Map(writers.map(({ instance }) => [instance, false]))
    for (const instance of running.keys()) running.set(instance, isInstanceRunning(this.#directory, instance))
    const newest = new Map(writers.map(({ instance, id }) => [instance, id]))
    return new Map(
      writers.map((name) => {
        const isRunning = running.get(name.instance) === true && newest.get(name.instance) === name.id
        return [name.id, this.#scan(name, isRunning)]
      }),
    )
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
  async #judgeOrphan({ id }: WriterName): Promise<void> {
    const { size } = await stat(recordingFile(this.#directory, id))
    if (size === 0) return
    const place = { file: `recordings/${id}.ndjson`, line: 1 }
    this.#note(tampered(place, 'a recording without its records', `records/${id}.ndjson`, 'no such file'))
  }

  #scan(name: WriterName, running: boolean): WriterScan {
    return new WriterScan({
      directory: this.#directory,
      name,
      running,
      report: this.#report,
      onRecord: (record, place, leaf) => this.#record(record, place, leaf),
      onFrame: ({ seq, payload }, place) => this.#erasures.found('frame', name.id, seq, place, payload),
    })
  }

  #record(record: EvidenceRecord, place: Place, leaf: string): void {
    this.#events[record.event] = (this.#events[record.event] ?? 0) + 1
    if (settledAs(record) !== null) this.#settled += 1
    this.#logCheck.add(record, place, leaf)
    this.#succession.add(record, place)
    this.#causality.add(record, place)
    this.#erasures.found('record', record.writerId, record.seq, place, record.payload)
    if (record.event === 'retention.applied') this.#erasures.applied(record, place)
  }

  #judge(writers: readonly ScannedWriter[]): void {
    const states = this.#succession.judge(writers)
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
