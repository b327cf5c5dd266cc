import type { DecisionRow, DecisionWhole, RecordRow } from '../engine/overview/index.ts'
import * as shape from './shape.ts'

/** A decision as the API tells it. Times are RFC 3339, UTC. */
export interface DecisionView {
  readonly id: string
  readonly at: string
  readonly session: string | null
  readonly agent: string
  readonly plane: string
  readonly action: string
  readonly resources: readonly string[]
  readonly more_resources: number
  readonly verdict: string
  readonly answer: string | null
  readonly rules: readonly { readonly rule: string; readonly controls: readonly string[] }[]
  readonly revision: string
  readonly approval: string | null
  readonly approval_state: string | null
  readonly outcome: string | null
  readonly rows: number | null
  readonly error: string | null
  readonly decided_us: number | null
  readonly took_us: number | null
}

export function decisionView(row: DecisionRow): DecisionView {
  const { more, at, state, decidedUs, tookUs, ...rest } = row
  return {
    ...rest,
    at: shape.rfc3339(at),
    more_resources: more,
    approval_state: state,
    decided_us: decidedUs,
    took_us: tookUs,
  }
}

export interface RecordView {
  readonly record: RecordRow['fields']
  readonly payload?: RecordRow['payload']
}

export function recordView({ fields, payload }: RecordRow): RecordView {
  return { record: fields, ...(payload === undefined ? {} : { payload }) }
}

/** `explain`: what a policy's author runs to see why, on the machine that has the evidence. */
export function decisionWholeView({ decision, records }: DecisionWhole): object {
  return {
    decision: decisionView(decision),
    records: records.map(recordView),
    explain: `countersign policy explain --decision ${decision.id} --evidence DIR`,
  }
}

export const decisionShape: shape.Shape = shape.object({
  id: shape.text,
  at: shape.time,
  session: shape.optionalText,
  agent: shape.text,
  plane: shape.text,
  action: shape.text,
  resources: shape.texts,
  more_resources: shape.count,
  verdict: shape.verdict,
  answer: { enum: ['forward', 'mask', 'hold', 'reject', null] },
  rules: shape.list(shape.object({ rule: shape.text, controls: shape.texts })),
  revision: shape.text,
  approval: shape.optionalText,
  approval_state: shape.optionalText,
  outcome: { enum: ['ok', 'failed', 'unknown', null] },
  rows: shape.optionalCount,
  error: shape.optionalText,
  decided_us: shape.optionalCount,
  took_us: shape.optionalCount,
})

export const recordShape: shape.Shape = shape.object({ record: shape.anything })
