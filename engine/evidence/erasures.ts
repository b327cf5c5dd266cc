import type { JsonValue } from '../access-request.ts'
import { asObject, isCount, type EvidenceRecord, type Payload } from './decision-record.ts'
import type { Place, Report } from './finding.ts'
import type { EntryKind } from './line.ts'
import { tampered } from './scan.ts'

/** Damaged payloads that are kept until all is read; more than these are told at once, as changed. */
const MAX_DAMAGED = 1000

/** Seqs of one writer's file, from and to, both included. */
type Ranges = [from: number, to: number][]

/**
 * Payloads that stand beside their entries no more. That is right only where a `retention.applied` record, anywhere in
 * the log, names them; which of the two comes first in the files says nothing, so both are gathered, as ranges.
 */
export class Erasures {
  readonly #report: Report
  readonly #erased = new Map<string, Ranges>()
  readonly #named = new Map<string, Ranges>()
  readonly #damaged: { readonly file: string; readonly place: Place; readonly seq: number; readonly found: string }[] =
    []
  #count = 0

  constructor(report: Report) {
    this.#report = report
  }

  /** Payloads that were erased. */
  get count(): number {
    return this.#count
  }

  /** A payload as it was found; `seq` of its entry in the writer's file. */
  found(kind: EntryKind, writer: string, seq: number, place: Place, payload: Payload): void {
    const file = fileOf(kind, writer)
    if (payload.kind === 'erased') {
      this.#count += 1
      add(this.#erased, file, seq, seq)
    } else if (payload.kind === 'damaged') {
      if (this.#damaged.length < MAX_DAMAGED) this.#damaged.push({ file, place, seq, found: payload.found })
      else this.#changed(place, payload.found)
    }
  }

  /** `retention.applied`: what it says that it erased. */
  applied({ detail }: EvidenceRecord, place: Place): void {
    const erased: JsonValue = detail?.erased ?? null
    for (const each of Array.isArray(erased) ? erased : [null]) {
      const { kind, writer, from, to } = asObject(each) ?? {}
      if ((kind !== 'record' && kind !== 'frame') || typeof writer !== 'string' || !isCount(from) || !isCount(to)) {
        const expected = 'ranges of kind, writer, from and to'
        this.#report(tampered(place, 'does not say what was erased', expected, 'others'))
      } else add(this.#named, fileOf(kind, writer), from, to)
    }
  }

  /** Once all records and frames are in. */
  judge(): void {
    for (const [file, ranges] of this.#erased) {
      for (const [from, to] of without(ranges, merged(this.#named.get(file) ?? []))) {
        const message = 'a payload was erased that no retention.applied names'
        const found = from === to ? 'none' : `none, up to line ${to}`
        this.#report(tampered({ file, line: from }, message, 'what the entry has the digest of', found))
      }
    }
    for (const { file, place, seq, found } of this.#damaged) {
      const named = merged(this.#named.get(file) ?? []).some(([from, to]) => from <= seq && seq <= to)
      if (named) this.#interrupted(place, found)
      else this.#changed(place, found)
    }
  }

  #changed(place: Place, found: string): void {
    this.#report(tampered(place, 'the payload was changed', 'what the entry has the digest of', found))
  }

  // Named before it is done: a crash in the middle of the overwriting leaves neither the payload nor its erasure.
  #interrupted(place: Place, found: string): void {
    const message = 'the erasing of a payload was interrupted: apply retention again'
    this.#report({ severity: 'incomplete', ...place, message, expected: 'null and spaces', found })
  }
}

function fileOf(kind: EntryKind, writer: string): string {
  return `${kind === 'record' ? 'records' : 'recordings'}/${writer}.ndjson`
}

function add(all: Map<string, Ranges>, file: string, from: number, to: number): void {
  const ranges = all.get(file) ?? []
  const last = ranges.at(-1)
  if (last !== undefined && last[1] + 1 === from) last[1] = to
  else ranges.push([from, to])
  all.set(file, ranges)
}

function merged(ranges: Ranges): Ranges {
  const all: Ranges = []
  for (const [from, to] of ranges.toSorted((one, other) => one[0] - other[0])) {
    const last = all.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else all.push([from, to])
  }
  return all
}

/** What of `ranges` none of `others` (in order, apart from each other) covers. Both are gone through once. */
function without(ranges: Ranges, others: Ranges): Ranges {
  const left: Ranges = []
  let at = 0
  for (const [from, to] of ranges) {
    let start = from
    while (at < others.length && (others[at]?.[1] ?? 0) < from) at += 1
    for (let next = at; start <= to; next += 1) {
      const [first, last] = others[next] ?? [Infinity, Infinity]
      if (first > start) left.push([start, Math.min(to, first - 1)])
      start = last + 1
    }
  }
  return left
}
