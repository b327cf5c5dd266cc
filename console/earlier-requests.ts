import type { Approval, ApprovalState } from '../engine/approvals/index.ts'
import type { JsonValue } from '../engine/index.ts'

/** What one requester asked before of the same kind: the same rule, action and resources, whatever the values. */
export interface EarlierRequests {
  /** How many, of the requester's latest thousand. */
  readonly count: number
  readonly states: Readonly<Partial<Record<ApprovalState, number>>>
  /** The latest, newest first. */
  readonly last: readonly {
    readonly id: string
    readonly state: ApprovalState
    readonly requested_at: string
    readonly answered_by: readonly string[]
  }[]
}

const SHOWN = 3

/** Of all that the requester asked, newest first, what is like this one and came before it. */
export function earlierOf(approval: Approval, all: readonly Approval[]): EarlierRequests {
  const kind = kindOf(approval)
  const alike = all.filter(
    (other) => other.id !== approval.id && other.requestedAt <= approval.requestedAt && kindOf(other) === kind,
  )
  const states = Object.entries(Object.groupBy(alike, ({ state }) => state))
  return {
    count: alike.length,
    states: Object.fromEntries(states.map(([state, those]) => [state, those.length])),
    last: alike.slice(0, SHOWN).map(({ id, state, requestedAt, answers }) => ({
      id,
      state,
      requested_at: new Date(requestedAt).toISOString(),
      answered_by: answers.map(({ by }) => by),
    })),
  }
}

function kindOf({ rule, summary }: Approval): string {
  const { action, resources } = summary
  const names = isList(resources) ? resources.map((resource) => nameOf(resource)) : []
  return JSON.stringify([rule, nameOf(action), names.toSorted()])
}

function nameOf(value: JsonValue | undefined): string {
  const name = typeof value === 'object' && value !== null && !isList(value) ? value['name'] : null
  return typeof name === 'string' ? name : ''
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
