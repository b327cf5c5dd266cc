import { asObject, asText, isDecision, type EvidenceRecord } from '../decision-record.ts'

/** What a set of records comes to, for the files that tell of all of them. Grows with controls, events and policies alone. */
export class Tally {
  readonly events: Map<string, number> = new Map()
  readonly controls: Map<string, ControlTally> = new Map()
  readonly policies: Map<string, PolicyTally> = new Map()
  records = 0
  /** Wall clock of the first and the last record in the log's order; null without one. */
  first: string | null = null
  last: string | null = null

  add(record: EvidenceRecord, index: number): void {
    const { event, ts, fields } = record
    this.records += 1
    this.first ??= ts
    this.last = ts
    count(this.events, event)
    this.#controls(record, index)
    const { digest, revision } = asObject(fields.policy) ?? {}
    if (typeof digest !== 'string' || !DIGEST.test(digest)) return
    const policy = this.policies.get(digest) ?? { revisions: new Set(), decisions: 0, activations: [] }
    this.policies.set(digest, policy)
    policy.revisions.add(asText(revision) ?? '')
    if (isDecision(event)) policy.decisions += 1
    if (event === 'policy.activated') policy.activations.push({ index, record: record.id, ts })
  }

  #controls({ event, ts, fields }: EvidenceRecord, index: number): void {
    if (!Array.isArray(fields.controls)) return
    for (const id of new Set(fields.controls)) {
      if (typeof id !== 'string') continue
      const control = this.controls.get(id) ?? {
        records: 0,
        events: new Map(),
        first: index,
        last: index,
        from: ts,
        to: ts,
      }
      this.controls.set(id, control)
      control.records += 1
      control.last = index
      if (ts < control.from) control.from = ts
      if (ts > control.to) control.to = ts
      count(control.events, event)
    }
  }
}

const DIGEST = /^[0-9a-f]{64}$/

export interface ControlTally {
  records: number
  readonly events: Map<string, number>
  /** Leaf indexes. */
  readonly first: number
  last: number
  from: string
  to: string
}

/** One policy bundle, by its digest. */
export interface PolicyTally {
  readonly revisions: Set<string>
  decisions: number
  readonly activations: { readonly index: number; readonly record: string; readonly ts: string }[]
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** By name, as every file of a bundle lists them. */
export function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].toSorted(([one], [other]) => (one < other ? -1 : 1))
}
