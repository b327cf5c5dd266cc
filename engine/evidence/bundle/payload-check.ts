import type { JsonObject, JsonValue } from '../../access-request.ts'
import { asObject, isCount, type EvidenceRecord, type Payload } from '../decision-record.ts'
import type { EntryKind } from '../line.ts'
import type { FindingList } from './finding-list.ts'

interface Run {
  readonly from: number
  to: number
  readonly file: string
  readonly line: number
}

interface Damaged {
  readonly key: string
  readonly seq: number
  readonly file: string
  readonly line: number
  readonly found: string
}

/** Damaged payloads that are kept until all is read; more than these are told at once, as changed. */
const MAX_DAMAGED = 1000

/**
 * Holds payloads that are gone or changed against the `retention.applied` records that say so; neighbours count as one run.
 * Other than in a directory, an erasure without such a record is no tampering: the record may be behind the checkpoint.
 */
export class PayloadCheck {
  readonly #findings: FindingList
  readonly #applied = new Map<string, { readonly from: number; readonly to: number }[]>()
  readonly #erased = new Map<string, Run[]>()
  readonly #damaged: Damaged[] = []

  constructor(findings: FindingList) {
    this.#findings = findings
  }

  /** A record of the log, in the selection or beside it. */
  applied({ event, detail }: EvidenceRecord): void {
    if (event !== 'retention.applied' || !Array.isArray(detail?.erased)) return
    const erased: readonly JsonValue[] = detail.erased
    for (const each of erased) this.#apply(asObject(each) ?? {})
  }

  #apply({ kind, writer, from, to }: JsonObject): void {
    if (typeof kind !== 'string' || typeof writer !== 'string' || !isCount(from) || !isCount(to)) return
    const key = `${kind} ${writer}`
    const ranges = this.#applied.get(key) ?? []
    ranges.push({ from, to })
    this.#applied.set(key, ranges)
  }

  /** What stands beside an entry; entries of one writer come in the order of `seq`. */
  found(kind: EntryKind, writer: string, seq: number, payload: Payload, place: { file: string; line: number }): void {
    const key = `${kind} ${writer}`
    if (payload.kind === 'erased') this.#erase(key, seq, place)
    if (payload.kind !== 'damaged') return
    if (this.#damaged.length < MAX_DAMAGED) this.#damaged.push({ key, seq, ...place, found: payload.found })
    else this.#changed({ ...place, found: payload.found })
  }

  #erase(key: string, seq: number, { file, line }: { file: string; line: number }): void {
    const runs = this.#erased.get(key) ?? []
    this.#erased.set(key, runs)
    const last = runs.at(-1)
    if (last !== undefined && last.to === seq - 1) last.to = seq
    else runs.push({ from: seq, to: seq, file, line })
  }

  judge(): void {
    for (const [key, runs] of this.#erased) {
      for (const run of runs) if (!this.#isApplied(key, run)) this.#unexplained(key, run)
    }
    for (const one of this.#damaged) {
      if (this.#isApplied(one.key, { from: one.seq, to: one.seq })) this.#interrupted(one)
      else this.#changed(one)
    }
  }

  #isApplied(key: string, run: { readonly from: number; readonly to: number }): boolean {
    const ranges = (this.#applied.get(key) ?? []).toSorted((one, other) => one.from - other.from)
    let next = run.from
    for (const { from, to } of ranges) if (from <= next && to >= next) next = to + 1
    return next > run.to
  }

  #unexplained(key: string, { from, to, file, line }: Run): void {
    const message = 'payloads are erased that no retention.applied under this checkpoint names'
    const expected = 'one that does; where they were erased later, an export at a later checkpoint has it'
    this.#findings.note({ severity: 'incomplete', file, line, message, expected, found: `${key}, ${from} to ${to}` })
  }

  // Named before it is done: a crash in the middle of the overwriting leaves neither the payload nor its erasure.
  #interrupted({ file, line, found }: Damaged): void {
    const message = 'the erasing of a payload was interrupted when this was exported'
    this.#findings.note({ severity: 'incomplete', file, line, message, expected: 'null and spaces', found })
  }

  #changed({ file, line, found }: Pick<Damaged, 'file' | 'line' | 'found'>): void {
    this.#findings.tampered(file, line, 'the payload was changed', 'what its digest covers', found)
  }
}
