import type { JsonObject, JsonValue } from '../../access-request.ts'
import { asObject, asText, awaitsOutcome, isDecision, isOutcome, type EvidenceRecord } from '../decision-record.ts'

/** What an export was asked for. Times as in records: RFC 3339, UTC, milliseconds; `to` is the first moment not asked for. */
export interface Query {
  readonly from: string | null
  readonly to: string | null
  readonly control: string | null
  readonly agent: string | null
  readonly session: string | null
}

export const EVERYTHING: Query = { from: null, to: null, control: null, agent: null, session: null }

/** Without one of these, every record of the range is in the export, and that can be proved. */
export function isFiltered({ control, agent, session }: Query): boolean {
  return control !== null || agent !== null || session !== null
}

export function isWithin({ from, to }: Pick<Query, 'from' | 'to'>, ts: string): boolean {
  return (from === null || ts >= from) && (to === null || ts < to)
}

/** Strictly a query's JSON form. */
export function parseQuery(value: JsonValue | undefined): Query | undefined {
  const query = asObject(value)
  if (query === null || Object.keys(query).toSorted().join() !== 'agent,control,from,session,to') return undefined
  if (!Object.values(query).every((each) => each === null || typeof each === 'string')) return undefined
  const { from, to, control, agent, session } = query
  return {
    from: asText(from),
    to: asText(to),
    control: asText(control),
    agent: asText(agent),
    session: asText(session),
  }
}

/**
 * Which records a filter takes, asked in the log's order. A record is taken for what it carries itself, or because it
 * belongs to one that was taken: a decision's approvals and outcome follow it, an agent's session stays the agent's. Only
 * records that were taken count for that, so that whoever has those alone comes to the same answers.
 */
export class Selection {
  readonly #query: Query
  /** Decisions that were taken and may have more to come. */
  readonly #decisions = new Set<string>()
  /** Sessions of the agent that was asked for. */
  readonly #sessions = new Set<string>()

  constructor(query: Query) {
    this.#query = query
  }

  takes(record: EvidenceRecord): boolean {
    if (!isFiltered(this.#query)) return true
    const follows = record.decision !== null && this.#decisions.has(record.decision)
    if (!follows && !this.#carries(record)) return false
    this.#remember(record)
    return true
  }

  #carries({ fields, session }: EvidenceRecord): boolean {
    const { control, agent, session: asked } = this.#query
    if (asked !== null && session !== asked) return false
    if (control !== null && !(Array.isArray(fields.controls) && fields.controls.includes(control))) return false
    return agent === null || principalOf(fields) === agent || (session !== null && this.#sessions.has(session))
  }

  #remember(record: EvidenceRecord): void {
    const { event, decision, session, fields } = record
    if (decision !== null) {
      if (awaitsOutcome(record) || event === 'decision.hold') this.#decisions.add(decision)
      else if (isOutcome(event) || isDecision(event)) this.#decisions.delete(decision)
    }
    if (session === null) return
    if (event === 'session.closed') this.#sessions.delete(session)
    else if (event === 'session.opened' || isDecision(event)) {
      if (principalOf(fields) === this.#query.agent) this.#sessions.add(session)
    }
  }
}

function principalOf(fields: JsonObject): string | null {
  return asText(asObject(fields.principal)?.id)
}
