import type { JsonObject } from './access-request.ts'
import { later, microseconds, type UnansweredIntent, type SessionDraft } from './unanswered-intents.ts'
import type { RecordedAnswer } from './plane.ts'
import type { Outcome } from './verdict.ts'

/*
 * What is written of what then happened: a record of its own, or, of a read that was answered at once, one with its intent.
 */

/** The record of an outcome. */
export function outcomeOf(decision: string, outcome: Outcome, answer?: RecordedAnswer): SessionDraft {
  const draft = { event: `outcome.${outcome.status}`, decision } as const
  return answer === undefined
    ? { ...draft, outcome: inOrder(outcome) }
    : { ...draft, outcome: answered(outcome, answer), payload: { answer: answer.body } }
}

/** An intent with its outcome. `took_us`: from the decision to the outcome. */
export function settledIntent(
  { draft, decidedNs }: UnansweredIntent,
  outcome: Outcome,
  answer: RecordedAnswer | undefined,
  nowNs: bigint,
): SessionDraft {
  const settled = later(draft, { took_us: microseconds(decidedNs, nowNs) })
  return answer === undefined
    ? { ...settled, outcome: inOrder(outcome) }
    : { ...settled, outcome: answered(outcome, answer), payload: { answer: answer.body, ...draft.payload } }
}

/** With the kind of what stands in the payload: that it was there is told even when it is erased. */
function answered(outcome: Outcome, { kind }: RecordedAnswer): JsonObject {
  return { answer: kind, ...inOrder(outcome) }
}

/** As canonical JSON has its members: nothing is left to sort. */
function inOrder({ bytes, error, masks, rows, status }: Outcome): JsonObject {
  return { bytes, error, masks, rows, status }
}
