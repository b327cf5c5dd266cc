import type { JsonObject } from '../access-request.ts'
import type { Family } from './family.ts'
import type { SessionPlaces } from './places.ts'

/** Times are milliseconds since 1970; a cursor is opaque, of the answer before. */
export interface DecisionFilter {
  readonly verdict?: string
  readonly agent?: string
  readonly plane?: string
  readonly rule?: string
  readonly control?: string
  readonly session?: string
  readonly action?: string
  readonly from?: number
  readonly to?: number
  readonly cursor?: string
  readonly limit: number
}

export interface SessionFilter {
  readonly state?: 'live' | 'ended'
  readonly agent?: string
  readonly plane?: string
  readonly from?: number
  readonly to?: number
  readonly cursor?: string
  readonly limit: number
}

export interface RuleSpoken {
  readonly rule: string
  readonly controls: readonly string[]
}

export interface DecisionRow {
  readonly id: string
  readonly at: number
  readonly session: string | null
  readonly agent: string
  readonly plane: string
  readonly action: string
  readonly resources: readonly string[]
  /** Resources beyond those named. */
  readonly more: number
  readonly verdict: string
  /** Of a hold: what came of it, null while it waits; else as the verdict. */
  readonly answer: string | null
  readonly rules: readonly RuleSpoken[]
  readonly revision: string
  readonly approval: string | null
  /** What became of the approval so far: the last of its events. */
  readonly state: string | null
  readonly outcome: string | null
  readonly rows: number | null
  readonly error: string | null
  readonly decidedUs: number | null
  readonly tookUs: number | null
}

export interface SessionRow {
  readonly id: string
  readonly agent: string
  readonly owner: string | null
  readonly kind: string
  readonly plane: string
  readonly source: string | null
  readonly opened: number
  readonly closed: number | null
  readonly reason: string | null
  readonly decisions: number
  readonly rejected: number
  readonly masked: number
  readonly held: number
}

export interface AgentRow {
  readonly agent: string
  readonly kind: string
  readonly owner: string | null
  readonly first: number
  readonly last: number
  readonly forward: number
  readonly mask: number
  readonly hold: number
  readonly reject: number
}

export interface RuleMet {
  readonly rule: string
  readonly decisions: number
  readonly last: number
}

/** A record as it stands in evidence; `payload` only where it was asked for, null where it is erased. */
export interface RecordRow {
  readonly n: number
  readonly fields: JsonObject
  readonly payload?: JsonObject | null
}

export interface EventCount {
  readonly event: string
  /** Controls that the rules behind it named. */
  readonly named: readonly string[]
  readonly records: number
}

export interface Page<Row> {
  readonly rows: readonly Row[]
  /** Where the next page begins; null: there is none. */
  readonly next: string | null
}

export interface Standing {
  /** Records in the tables. */
  readonly records: number
  readonly decisions: number
  readonly live: number
  readonly newest: number | null
  readonly caughtUp: boolean
  readonly bytes: number
}

/** What can be asked, and what of. */
export interface Questions {
  readonly decisions: { readonly asked: DecisionFilter; readonly answer: Page<DecisionRow> }
  readonly decision: {
    readonly asked: { readonly id: string; readonly payload: boolean }
    readonly answer: DecisionWhole | null
  }
  readonly sessions: { readonly asked: SessionFilter; readonly answer: Page<SessionRow> }
  readonly session: { readonly asked: { readonly id: string }; readonly answer: SessionRow | null }
  /** Where all is that a session's replay is made from: as of when it was asked. Null: nothing is of that session. */
  readonly replay: { readonly asked: { readonly id: string }; readonly answer: SessionPlaces | null }
  readonly agents: { readonly asked: { readonly limit: number }; readonly answer: readonly AgentRow[] }
  /** The rules that an agent met, among its last 100,000 decisions. */
  readonly met: { readonly asked: { readonly agent: string }; readonly answer: readonly RuleMet[] }
  readonly told: {
    readonly asked: { readonly family: Family; readonly cursor?: string; readonly limit: number }
    readonly answer: Page<RecordRow>
  }
  readonly cited: {
    readonly asked: { readonly control: string; readonly limit: number }
    readonly answer: readonly RecordRow[]
  }
  readonly events: {
    readonly asked: { readonly from: string; readonly to: string }
    readonly answer: readonly EventCount[]
  }
  readonly verdicts: { readonly asked: { readonly from: string }; readonly answer: readonly DayVerdicts[] }
  readonly choices: { readonly asked: Readonly<Record<string, never>>; readonly answer: Choices }
  readonly standing: { readonly asked: Readonly<Record<string, never>>; readonly answer: Standing }
  readonly measured: { readonly asked: Readonly<Record<string, never>>; readonly answer: string }
}

export interface DecisionWhole {
  readonly decision: DecisionRow
  /** Intent, approvals, outcome: in the order that they were recorded. */
  readonly records: readonly RecordRow[]
}

export interface DayVerdicts {
  readonly day: string
  readonly verdict: string
  readonly records: number
}

/** What a filter can be set to, as far as anything of it was seen. */
export interface Choices {
  readonly agents: readonly string[]
  readonly planes: readonly string[]
  readonly rules: readonly string[]
  readonly controls: readonly string[]
}

export type QuestionName = keyof Questions
