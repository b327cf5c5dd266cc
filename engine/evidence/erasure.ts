import { open, readdir } from 'node:fs/promises'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { asObject, asText, isCount, type RecordDraft } from './decision-record.ts'
import { recordingFile, recordingsIn, recordsFile, recordsIn } from './file-store.ts'
import { eachLine } from './lines.ts'
import { splitLine, type EntryKind } from './line.ts'
import type { LegalHold } from './legal-hold.ts'
import { parsePayloadDigest, readPayload } from './payload.ts'
import { indexForRetention, type ErasedRange, type RetentionIndex } from './retained.ts'
import { Retention, type Fate, type RetentionRule } from './retention.ts'
import { byAge, parseWriterFile } from './writers.ts'

/** Overwrites within files that are there; never makes one longer or shorter. Tests give a failing one. */
export interface Overwriter {
  open(path: string): Promise<OverwrittenFile>
}

export interface OverwrittenFile {
  /** All of the bytes, at this place. */
  write(bytes: Uint8Array, offset: number): Promise<void>
  /** fdatasync. */
  datasync(): Promise<void>
  close(): Promise<void>
}

export interface RetainOptions {
  readonly rules: readonly RetentionRule[]
  readonly holds: readonly LegalHold[]
  /** Milliseconds since 1970. */
  readonly now: number
  /** Goes into each record of what is erased. */
  readonly reason: string | null
  /** Durable when it resolves; null: nothing is recorded or erased, only counted. */
  readonly record: ((draft: RecordDraft) => Promise<void>) | null
  readonly overwriter?: Overwriter
}

export interface RetainedCount {
  readonly rule: number
  /** null: about no resource. */
  readonly resource: string | null
  records: number
  frames: number
  bytes: number
}

export interface RetainReport {
  /** What goes, or would: by rule and by the resource that lets go last. */
  readonly due: readonly RetainedCount[]
  /** By hold: payloads that are due and stay. */
  readonly held: ReadonlyMap<string, number>
  /** Payloads that an earlier run had recorded as erased and had not got to, or not to its end. */
  readonly finished: number
  readonly kept: number
  readonly erasedBefore: number
  /** `file:line` of payloads that no erasing explains: for `evidence verify`. At most 100. */
  readonly damaged: readonly string[]
}

/** Ranges in one record: it stays well below what an entry may take. */
const RANGES_A_RECORD = 300
const MAX_DAMAGED = 100

/**
 * Applies retention to a directory, one file after another. What goes is recorded, durable, before its first byte is
 * overwritten; so a run that ends anywhere leaves nothing erased that no record names, and the next one finishes it.
 * Beside a running writer this is safe: only whole lines are touched, at least as old as a rule's time, behind all that
 * the writer will ever write again; it appends, and reads nothing back.
 */
export async function retain(directory: string, options: RetainOptions): Promise<RetainReport> {
  const run = new Run(options, await indexForRetention(directory))
  for (const [folder, kind] of [
    [recordsIn(directory), 'record'],
    [recordingsIn(directory), 'frame'],
  ] as const) {
    const writers = (await readdir(folder)).map(parseWriterFile).filter((writer) => writer !== undefined)
    for (const { id } of writers.toSorted(byAge)) {
      const path = kind === 'record' ? recordsFile(directory, id) : recordingFile(directory, id)
      await run.file({ path, kind, writer: id })
    }
  }
  return run.report
}

interface EntryFile {
  readonly path: string
  readonly kind: EntryKind
  readonly writer: string
}

/** A payload that is to go. */
interface Target {
  readonly offset: number
  readonly length: number
}

/** A stretch of a file under one rule. */
interface Stretch {
  readonly rule: number
  readonly from: number
  to: number
}

class Run {
  readonly report: { -readonly [Name in keyof RetainReport]: RetainReport[Name] } & {
    readonly due: RetainedCount[]
    readonly held: Map<string, number>
    readonly damaged: string[]
  } = { due: [], held: new Map(), finished: 0, kept: 0, erasedBefore: 0, damaged: [] }
  readonly #options: RetainOptions
  readonly #retention: Retention
  readonly #index: RetentionIndex

  constructor(options: RetainOptions, index: RetentionIndex) {
    this.#options = options
    this.#retention = new Retention(options.rules, options.holds, options.now)
    this.#index = index
  }

  async file(file: EntryFile): Promise<void> {
    const looked = new FileLook(file, this.#retention, this.#index, this.report)
    let offset = 0
    await eachLine(file.path, (bytes, number) => {
      looked.line(bytes, offset, number)
      offset += bytes.length + 1
    })
    const { record, overwriter = localOverwriter } = this.#options
    if (record === null || looked.targets.length === 0) return
    for (const draft of this.#drafts(file, looked.stretches)) await record(draft)
    await erase(overwriter, file.path, looked.targets)
  }

  *#drafts({ kind, writer }: EntryFile, stretches: readonly Stretch[]): Generator<RecordDraft> {
    for (const [rule, ofRule] of Map.groupBy(stretches, (stretch) => stretch.rule)) {
      const { resource, olderThan } = this.#options.rules[rule] ?? { resource: '', olderThan: '' }
      for (let at = 0; at < ofRule.length; at += RANGES_A_RECORD) {
        const some = ofRule.slice(at, at + RANGES_A_RECORD)
        const erased = some.map(({ from, to }): JsonObject & ErasedRange => ({ kind, writer, from, to }))
        const cutoff = new Date(this.#retention.cutoff(rule)).toISOString()
        const detail = { rule: `${resource} older than ${olderThan}`, cutoff, reason: this.#options.reason, erased }
        yield { event: 'retention.applied', detail }
      }
    }
  }
}

/** One pass over a file: what of it goes. */
class FileLook {
  readonly targets: Target[] = []
  readonly stretches: Stretch[] = []
  readonly #file: EntryFile
  readonly #retention: Retention
  readonly #index: RetentionIndex
  readonly #report: Run['report']
  /** A payload that stays lies behind the last stretch. */
  #broken = true

  constructor(file: EntryFile, retention: Retention, index: RetentionIndex, report: Run['report']) {
    this.#file = file
    this.#retention = retention
    this.#index = index
    this.#report = report
  }

  line(bytes: Buffer, offset: number, number: number): void {
    const { kind, writer, path } = this.#file
    const parts = splitLine(kind, bytes)
    const entry = parts === undefined ? null : parsed(parts.entry)
    const digest = entry === null ? undefined : parsePayloadDigest(entry)
    const salted = parts?.salted ?? null
    if (entry === null || salted === null || digest === undefined || digest === null || !isCount(entry.seq)) return
    const { start, end } = salted
    const target = { offset: offset + start, length: end - start }
    const payload = readPayload(digest, bytes.toString('utf8', start, end))
    const named = this.#index.named(kind, writer, entry.seq)
    switch (payload.kind) {
      case 'erased':
        this.#report.erasedBefore += 1
        return
      case 'none':
      case 'damaged':
        if (named) this.#finish(target)
        else if (this.#report.damaged.length < MAX_DAMAGED) this.#report.damaged.push(`${path}:${number}`)
        return
      case 'kept':
        return this.#kept(entry, entry.seq, target, named)
    }
  }

  #kept(entry: JsonObject, seq: number, target: Target, named: boolean): void {
    const subject = this.#index.subject(asText(entry.decision), asText(entry.session))
    const time = Date.parse(asText(entry.ts) ?? '')
    if (named && this.#retention.hold(subject, time) === null) return this.#finish(target)
    const fate = this.#retention.fate(subject, time)
    switch (fate.kind) {
      case 'due':
        return this.#goes(fate, seq, target)
      case 'held':
        this.#report.held.set(fate.hold, (this.#report.held.get(fate.hold) ?? 0) + 1)
        break
      case 'kept':
        this.#report.kept += 1
    }
    this.#broken = true
  }

  /** Recorded by a run that died before it got here, or while it was here. */
  #finish(target: Target): void {
    this.#report.finished += 1
    this.targets.push(target)
  }

  #goes({ rule, resource }: Extract<Fate, { kind: 'due' }>, seq: number, target: Target): void {
    this.targets.push(target)
    const count = this.#count(rule, resource)
    if (this.#file.kind === 'record') count.records += 1
    else count.frames += 1
    count.bytes += target.length
    const last = this.stretches.at(-1)
    if (!this.#broken && last?.rule === rule) last.to = seq
    else this.stretches.push({ rule, from: seq, to: seq })
    this.#broken = false
  }

  #count(rule: number, resource: string | null): RetainedCount {
    const known = this.#report.due.find((each) => each.rule === rule && each.resource === resource)
    if (known !== undefined) return known
    const fresh = { rule, resource, records: 0, frames: 0, bytes: 0 }
    this.#report.due.push(fresh)
    return fresh
  }
}

/** Nothing moves: `null` where the payload was, and spaces up to where it ended. */
async function erase(overwriter: Overwriter, path: string, targets: readonly Target[]): Promise<void> {
  const file = await overwriter.open(path)
  try {
    for (const { offset, length } of targets) await file.write(Buffer.from('null'.padEnd(length)), offset)
    await file.datasync()
  } finally {
    await file.close()
  }
}

const localOverwriter: Overwriter = {
  async open(path) {
    const file = await open(path, 'r+')
    return {
      async write(bytes, offset) {
        const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
        if (bytesWritten !== bytes.length) throw new Error(`only ${bytesWritten} of ${bytes.length} bytes were written`)
      },
      datasync: () => file.datasync(),
      close: () => file.close(),
    }
  },
}

function parsed(entry: Buffer): JsonObject | null {
  try {
    const value: JsonValue = JSON.parse(entry.toString('utf8'))
    return asObject(value)
  } catch {
    return null
  }
}
