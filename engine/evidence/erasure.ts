import type { JsonObject, JsonValue } from '../access-request.ts'
import { asObject, asText, isCount, type RecordDraft } from './decision-record.ts'
import { splitLine, type EntryKind } from './line.ts'
import type { LegalHold } from './legal-hold.ts'
import type { PayloadPlace } from './overwriting.ts'
import { parsePayloadDigest, readPayload } from './payload.ts'
import { indexForRetention, type ErasedRange, type RetentionIndex } from './retained.ts'
import { Retention, type Fate, type RetentionRule } from './retention.ts'
import type { EvidenceStore } from './store.ts'
import { byAge } from './writers.ts'

export interface RetainOptions {
  readonly rules: readonly RetentionRule[]
  readonly holds: readonly LegalHold[]
  /** Milliseconds since 1970. */
  readonly now: number
  /** Goes into each record of what is erased. */
  readonly reason: string | null
  /** Durable when it resolves; null: nothing is recorded or erased, only counted. */
  readonly record: ((draft: RecordDraft) => Promise<void>) | null
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
  /** Where payloads are that no erasing explains: for `evidence verify`. At most 100. */
  readonly damaged: readonly string[]
}

/** Ranges in one record: it stays well below what an entry may take. */
const RANGES_A_RECORD = 300
const MAX_DAMAGED = 100

/**
 * Applies retention, one writer's lines after another. What goes is recorded, durable, before its first byte is
 * overwritten; so a run that ends anywhere leaves nothing erased that no record names, and the next one finishes it.
 * Beside a running writer this is safe: only whole lines are touched, at least as old as a rule's time, behind all that
 * the writer will ever write again; it appends, and reads nothing back.
 */
export async function retain(evidence: Erasable, options: RetainOptions): Promise<RetainReport> {
  const run = new Run(evidence, options, await indexForRetention(evidence.source))
  const writers = (await evidence.source.writers()).toSorted(byAge)
  for (const kind of ['record', 'frame'] as const) {
    for (const { id } of writers) await run.lines({ kind, writer: id })
  }
  return run.report
}

/** Evidence whose payloads can be erased. */
export type Erasable = Pick<EvidenceStore, 'source' | 'erase'>

interface WriterLines {
  readonly kind: EntryKind
  readonly writer: string
}

/** Lines one behind the other under one rule. */
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
  readonly #evidence: Erasable
  readonly #options: RetainOptions
  readonly #retention: Retention
  readonly #index: RetentionIndex

  constructor(evidence: Erasable, options: RetainOptions, index: RetentionIndex) {
    this.#evidence = evidence
    this.#options = options
    this.#retention = new Retention(options.rules, options.holds, options.now)
    this.#index = index
  }

  async lines(of: WriterLines): Promise<void> {
    const looked = new Look(of, this.#retention, this.#index, this.report)
    const lines = this.#evidence.source.lines(of.kind, of.writer)
    let at = 0
    for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
      looked.line(line, at, lines.where)
      at += line.length + 1
    }
    const { record } = this.#options
    if (record === null || looked.targets.length === 0) return
    for (const draft of this.#drafts(of, looked.stretches)) await record(draft)
    await this.#evidence.erase(of.kind, of.writer, looked.targets)
  }

  *#drafts({ kind, writer }: WriterLines, stretches: readonly Stretch[]): Generator<RecordDraft> {
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

/** One pass over a writer's lines: what of them goes. */
class Look {
  readonly targets: PayloadPlace[] = []
  readonly stretches: Stretch[] = []
  readonly #of: WriterLines
  readonly #retention: Retention
  readonly #index: RetentionIndex
  readonly #report: Run['report']
  /** A payload that stays lies behind the last stretch. */
  #broken = true

  constructor(of: WriterLines, retention: Retention, index: RetentionIndex, report: Run['report']) {
    this.#of = of
    this.#retention = retention
    this.#index = index
    this.#report = report
  }

  line(bytes: Buffer, at: number, where: string): void {
    const { kind, writer } = this.#of
    const parts = splitLine(kind, bytes)
    const entry = parts === undefined ? null : parsed(parts.entry)
    const digest = entry === null ? undefined : parsePayloadDigest(entry)
    const salted = parts?.salted ?? null
    if (entry === null || salted === null || digest === undefined || digest === null || !isCount(entry.seq)) return
    const { start, end } = salted
    const target = { seq: entry.seq, at, start, length: end - start }
    const payload = readPayload(digest, bytes.toString('utf8', start, end))
    const named = this.#index.named(kind, writer, entry.seq)
    switch (payload.kind) {
      case 'erased':
        this.#report.erasedBefore += 1
        return
      case 'none':
      case 'damaged':
        if (named) this.#finish(target)
        else if (this.#report.damaged.length < MAX_DAMAGED) this.#report.damaged.push(where)
        return
      case 'kept':
        return this.#kept(entry, target, named)
    }
  }

  #kept(entry: JsonObject, target: PayloadPlace, named: boolean): void {
    const subject = this.#index.subject(asText(entry.decision), asText(entry.session))
    const time = Date.parse(asText(entry.ts) ?? '')
    if (named && this.#retention.hold(subject, time) === null) return this.#finish(target)
    const fate = this.#retention.fate(subject, time)
    switch (fate.kind) {
      case 'due':
        return this.#goes(fate, target)
      case 'held':
        this.#report.held.set(fate.hold, (this.#report.held.get(fate.hold) ?? 0) + 1)
        break
      case 'kept':
        this.#report.kept += 1
    }
    this.#broken = true
  }

  /** Recorded by a run that died before it got here, or while it was here. */
  #finish(target: PayloadPlace): void {
    this.#report.finished += 1
    this.targets.push(target)
  }

  #goes({ rule, resource }: Extract<Fate, { kind: 'due' }>, target: PayloadPlace): void {
    this.targets.push(target)
    const count = this.#count(rule, resource)
    if (this.#of.kind === 'record') count.records += 1
    else count.frames += 1
    count.bytes += target.length
    const last = this.stretches.at(-1)
    if (!this.#broken && last?.rule === rule) last.to = target.seq
    else this.stretches.push({ rule, from: target.seq, to: target.seq })
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

function parsed(entry: Buffer): JsonObject | null {
  try {
    const value: JsonValue = JSON.parse(entry.toString('utf8'))
    return asObject(value)
  } catch {
    return null
  }
}
