import type { AccessRequest, SealedRequest } from './access-request.ts'
import { PolicyError } from './errors.ts'
import { controlsOf, withLimits, type ApprovalRef, type Judgement } from './intent.ts'
import type { PolicyAnswer, PolicyStore } from './policy/index.ts'
import type { Decision, Verdict } from './verdict.ts'

/*
 * What a request is judged to be: policy's own answer, or the engine's where there is none that counts.
 */

export function verdictOf(
  policy: ReturnType<PolicyStore['current']>,
  request: AccessRequest,
  sealed: SealedRequest,
  nowMs: number,
): PolicyAnswer {
  try {
    return policy.evaluate(request.context.plane, sealed, nowMs)
  } catch (error) {
    // Whatever went wrong in there, a policy that gave no verdict has not allowed anything.
    const code = error instanceof PolicyError ? error.code : 'ERR_POLICY_EVALUATION'
    return rejection('policy_error', `${code}: policy gave no verdict, so the request is refused`)
  }
}

/** Of a part of something that has happened: there is nobody to ask any more. */
export function withoutHold(answer: PolicyAnswer, whole: Decision): PolicyAnswer {
  const { verdict, reasons } = answer
  if (verdict.kind !== 'hold') return answer
  const released = new Set(whole.approval?.state === 'used' ? whole.reasons.map(({ rule }) => rule) : [])
  if (!reasons.every(({ rule }) => released.has(rule)))
    return rejection('too_late_to_hold', 'policy holds what has come back already: nobody can be asked any more')
  const { fields, limits } = verdict
  return {
    ...answer,
    verdict:
      fields.length > 0 ? { kind: 'mask', fields, ...withLimits(limits) } : { kind: 'forward', ...withLimits(limits) },
  }
}

export function rejection(rule: string, message: string): PolicyAnswer {
  return { verdict: { kind: 'reject' }, reasons: [{ rule, message, controls: [] }], nondeterministic: null }
}

/** What a plane carries out. `recorded`: see Decision; without it, the intent is on disk already. */
export function decisionOf(
  id: string,
  { policy, answer: { reasons } }: Pick<Judgement, 'policy' | 'answer'>,
  verdict: Verdict,
  approval: ApprovalRef | null,
  recorded: Decision['recorded'] = alreadyRecorded,
): Decision {
  return { id, verdict, reasons, controls: controlsOf(reasons), policy, approval, recorded }
}

const NOTHING_TO_WAIT_FOR: Promise<void> = Promise.resolve()
const alreadyRecorded = (): Promise<void> => NOTHING_TO_WAIT_FOR
