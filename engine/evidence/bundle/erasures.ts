import type { JsonObject, JsonValue } from '../../access-request.ts'
import { asObject, isCount, type EvidenceRecord } from '../decision-record.ts'
import type { FindingList } from './finding-list.ts'

type Kind = 'record' | 'frame'

interface Run {
  readonly from: number
  to: number
  readonly file: string
  readonly line: number
}

/** Holds payloads that are gone against the `retention.applied` records that say so; runs of neighbours count as one. */
export class Erasures {
  readonly #applied = new Map<string, { readonly from: number; readonly to: number }[]>()
  readonly #erased = new Map<string, Run[]>()

  /** A record of the log, in the selection or beside it. */
  add({ event, detail }: EvidenceRecord): void {
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

  /** An entry whose payload is gone; entries of one writer come in the order of `seq`. */
  erased(kind: Kind, writer: string, seq: number, file: string, line: number): void {
    const key = `${kind} ${writer}`
    const runs = this.#erased.get(key) ?? []
    this.#erased.set(key, runs)
    const last = runs.at(-1)
    if (last !== undefined && last.to === seq - 1) last.to = seq
    else runs.push({ from: seq, to: seq, file, line })
  }

  judge(findings: FindingList): void {
    for (const [key, runs] of this.#erased) {
      const ranges = (this.#applied.get(key) ?? []).toSorted((one, other) => one.from - other.from)
      for (const run of runs) {
        if (covers(ranges, run)) continue
        const message = 'payloads are erased that no retention.applied under this checkpoint names'
        const expected = 'one that does; where they were erased later, an export at a later checkpoint has it'
        const found = `${key}, ${run.from} to ${run.to}`
        findings.note({ severity: 'incomplete', file: run.file, line: run.line, message, expected, found })
      }
    }
  }
}

function covers(ranges: readonly { readonly from: number; readonly to: number }[], run: Run): boolean {
  let next = run.from
  for (const { from, to } of ranges) if (from <= next && to >= next) next = to + 1
  return next > run.to
}
