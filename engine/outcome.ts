import type { HeldIntent, SessionDraft } from './held-intents.ts'
import type { RecordedAnswer } from './plane.ts'
import type { Outcome } from './verdict.ts'

/*
 * What is written of what then happened: a record of its own, or, of a read that was answered at once, one with its intent.
 */

/** The record of an outcome. */
export function outcomeOf(decision: string, outcome: Outcome, answer?: RecordedAnswer): SessionDraft {
  const payload = answer === undefined ? {} : { payload: { answer: { ...answer } } }
  return { event: `outcome.${outcome.status}`, decision, outcome: { ...outcome }, ...payload }
}

/** An intent with its outcome. `took_us`: from the decision to the outcome. */
export function settledIntent(
  { draft, decidedNs }: HeldIntent,
  outcome: Outcome,
  answer: RecordedAnswer | undefined,
  nowNs: bigint,
): SessionDraft {
  const tookUs = Number((nowNs - decidedNs) / 1000n)
  return {
    ...draft,
    outcome: { ...outcome },
    detail: { ...draft.detail, took_us: tookUs },
    ...(answer === undefined ? {} : { payload: { ...draft.payload, answer: { ...answer } } }),
  }
}
