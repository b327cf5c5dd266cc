import type { Entry } from './entry.ts'
import { listOf, numberOf, objectOf, textOf, textsOf, type JsonObject, type JsonValue } from './json.ts'

export interface HoldAnswer {
  readonly by: string
  readonly answer: 'approve' | 'deny'
  readonly reason: string | null
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A hold, as far as it came: who was asked, who answered, what came of it. Times: milliseconds since 1970. */
export interface Hold {
  readonly approval: string
  readonly state: 'requested' | 'granted' | 'denied' | 'expired' | 'withdrawn' | 'used'
  readonly approvers: readonly string[]
  readonly quorum: number
  readonly reasonRequired: boolean
  readonly requestedAt: number
  readonly expiresAt: number
  readonly answers: readonly HoldAnswer[]
}

/** The hold that these records of one approval tell of, the last being how it stands; null when there are none. */
export function holdOf(records: readonly Entry[]): Hold | null {
  const approval = objectOf(records.at(-1)?.fields['approval'])
  const { id, state, terms, requestedAt, expiresAt, answers } = approval
  if (typeof id !== 'string' || !isState(state)) return null
  const { approvers, quorum, reason_required: reasonRequired } = objectOf(terms)
  return {
    approval: id,
    state,
    approvers: textsOf(approvers),
    quorum: numberOf(quorum) ?? 1,
    reasonRequired: reasonRequired === true,
    requestedAt: numberOf(requestedAt) ?? 0,
    expiresAt: numberOf(expiresAt) ?? 0,
    answers: listOf(answers).map(objectOf).map(answerOf),
  }
}

function answerOf({ by, answer, reason, at }: JsonObject): HoldAnswer {
  return {
    by: textOf(by) ?? '',
    answer: answer === 'approve' ? 'approve' : 'deny',
    reason: textOf(reason),
    at: numberOf(at) ?? 0,
  }
}

const STATES: ReadonlySet<unknown> = new Set(['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used'])

function isState(value: JsonValue | undefined): value is Hold['state'] {
  return STATES.has(value)
}
