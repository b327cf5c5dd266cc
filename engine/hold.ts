import type { AccessRequest, Principal } from './access-request.ts'
import type { Approval, ApprovalLedger } from './approvals/index.ts'
import { ApprovalError } from './errors.ts'
import { approverView, limitsOf, withLimits, type ApprovalRef, type Judgement } from './intent.ts'
import { decisionOf, rejection } from './judged.ts'
import type { DecideOptions } from './plane.ts'
import type { PolicyAnswer } from './policy/index.ts'
import type { Decision, HoldTerms, Verdict } from './verdict.ts'

/** What a hold needs of the session that it is in. */
export interface HoldRooms {
  readonly session: string
  readonly principal: Principal
  readonly ledger: ApprovalLedger
  /** The same request once more, under what is in force now. */
  judge(request: AccessRequest, decision: string): Judgement
  /** The rejection of a principal who may not go on; null while it may. */
  over(): PolicyAnswer | null
  /** Resolves when the intent is on disk. */
  record(decision: string, judgement: Judgement, verdict: Verdict, approval: ApprovalRef | null): Promise<void>
}

/** Requests of one session that wait for people: asked, answered, looked at again, used once. */
export class Hold {
  readonly #rooms: HoldRooms

  constructor(rooms: HoldRooms) {
    this.#rooms = rooms
  }

  /** Asks people, and waits for them as long as the client does. */
  async ask(
    decision: string,
    judgement: Judgement,
    verdict: Extract<Verdict, { kind: 'hold' }>,
    options: DecideOptions,
  ): Promise<Decision> {
    await this.#rooms.record(decision, judgement, verdict, null)
    const { sealed, policy, answer } = judgement
    const first = answer.reasons[0]
    const approval = await this.#rooms.ledger.request({
      digest: sealed.digest,
      requester: this.#rooms.principal,
      decision,
      session: this.#rooms.session,
      policy,
      rule: first?.rule ?? 'unnamed',
      message: first?.message ?? '',
      terms: verdict.terms,
      summary: approverView(sealed.request, verdict),
    })
    options.onHold?.({
      approval: approval.id,
      rule: approval.rule,
      message: approval.message,
      approvers: verdict.terms.approvers,
      quorum: verdict.terms.quorum,
      expires: new Date(approval.expiresAt).toISOString(),
    })
    return this.#afterHold(decision, judgement, verdict, approval, options)
  }

  async #afterHold(
    decision: string,
    judgement: Judgement,
    verdict: Extract<Verdict, { kind: 'hold' }>,
    asked: Approval,
    options: DecideOptions,
  ): Promise<Decision> {
    const answered = await this.#wait(asked, options)
    switch (answered.state) {
      case 'granted':
        return this.#release(decision, judgement, answered, options)
      case 'requested': // the client's patience ended first; the question stays and the client may come back to it
        return decisionOf(decision, judgement, verdict, ref(answered, 'requested'))
      case 'denied':
        return this.#rejectHeld(decision, judgement, answered, 'approval_denied', denialMessage(answered))
      case 'expired':
        return this.#rejectHeld(decision, judgement, answered, 'approval_expired', 'nobody answered in time')
      case 'withdrawn':
      case 'revoked':
        return this.#rejectHeld(decision, judgement, answered, 'approval_withdrawn', 'the request was withdrawn')
      case 'used':
        return this.#rejectHeld(decision, judgement, answered, 'approval_used', 'this approval was used already')
    }
  }

  /** The hold's answer, or the hold as it stands when nobody waits for it any longer; withdrawn when its client cancels. */
  async #wait(asked: Approval, { signal, gone, patienceMs }: DecideOptions): Promise<Approval> {
    if (asked.state !== 'requested') return asked
    const enough = [AbortSignal.timeout(patienceMs), ...(gone === undefined ? [] : [gone])]
    try {
      return await this.#rooms.ledger.settled(asked.id, AbortSignal.any([signal, ...enough]))
    } catch (error) {
      if (!signal.aborted && !enough.some((each) => each.aborted)) throw error
      if (signal.aborted) await this.#rooms.ledger.withdraw(asked.id)
      return (await this.#rooms.ledger.get(asked.id)) ?? asked
    }
  }

  /** A hold was granted: everything it was granted on is looked at again before it is used, once. */
  async #release(decision: string, held: Judgement, approval: Approval, options: DecideOptions): Promise<Decision> {
    const fresh = (await options.again?.()) ?? held.sealed.request
    const approvals = [...fresh.context.approvals, { id: approval.id, rule: approval.rule }]
    const judgement = this.#rooms.judge({ ...fresh, context: { ...fresh.context, approvals } }, decision)
    const { verdict } = judgement.answer
    if (judgement.sealed.digest !== approval.digest) {
      return this.#rejectHeld(
        decision,
        judgement,
        approval,
        'changed_since_approval',
        'what was approved has changed since',
      )
    }
    if (judgement.policy.digest !== held.policy.digest) {
      return this.#rejectHeld(
        decision,
        judgement,
        approval,
        'policy_changed_since_approval',
        'the policy has changed since',
      )
    }
    if (verdict.kind === 'reject') {
      await this.#rooms.record(decision, judgement, verdict, ref(approval, 'requested'))
      return decisionOf(decision, judgement, verdict, null)
    }
    if (verdict.kind === 'hold' && !sameTerms(verdict.terms, approval.terms)) {
      return this.#rejectHeld(
        decision,
        judgement,
        approval,
        'terms_changed_since_approval',
        'policy now asks for another approval',
      )
    }
    const unusable = this.#answeredByOwner(approval) ?? (await this.#use(approval, judgement.sealed.digest))
    if (unusable !== null) return this.#rejectHeld(decision, judgement, approval, unusable.rule, unusable.message)
    // Spending it took a write: who was revoked meanwhile gets nothing for it.
    const [over] = this.#rooms.over()?.reasons ?? []
    if (over !== undefined) return this.#rejectHeld(decision, judgement, approval, over.rule, over.message)
    const fields = verdict.kind === 'forward' ? [] : verdict.fields
    const limited = withLimits(limitsOf(verdict))
    const released: Verdict = fields.length > 0 ? { kind: 'mask', fields, ...limited } : { kind: 'forward', ...limited }
    const used = ref(approval, 'used')
    await this.#rooms.record(decision, judgement, released, used)
    return decisionOf(decision, judgement, released, used)
  }

  /** The token that asked may have named another owner than the one that now comes for the answer. */
  #answeredByOwner({ answers }: Approval): { readonly rule: string; readonly message: string } | null {
    const { id, owner, act } = this.#rooms.principal
    if (!answers.some(({ by }) => by === owner || by === id || act.includes(by))) return null
    return { rule: 'approver_not_apart', message: 'it was approved by who now turns out to own or be the requester' }
  }

  /** Spends the approval; why it can't be spent, where another client was first or its time has just run out. */
  async #use(approval: Approval, digest: string): Promise<{ readonly rule: string; readonly message: string } | null> {
    try {
      await this.#rooms.ledger.use(approval.id, digest)
      return null
    } catch (error) {
      if (!(error instanceof ApprovalError)) throw error
      if (error.code === 'ERR_APPROVAL_EXPIRED')
        return { rule: 'approval_expired', message: 'the approval has expired' }
      return { rule: 'approval_used', message: 'this approval was used already' }
    }
  }

  async #rejectHeld(
    decision: string,
    judgement: Judgement,
    approval: Approval,
    rule: string,
    message: string,
  ): Promise<Decision> {
    const rejected = { ...judgement, answer: rejection(rule, message) }
    const state = approval.state === 'denied' ? 'denied' : 'expired'
    const verdict: Verdict = { kind: 'reject' }
    await this.#rooms.record(decision, rejected, verdict, ref(approval, state))
    return decisionOf(decision, rejected, verdict, ref(approval, state))
  }
}

function ref(approval: Approval, state: ApprovalRef['state']): ApprovalRef {
  return { id: approval.id, state }
}

// By member: what was rebuilt from evidence has its members in another order.
function sameTerms(one: HoldTerms, other: HoldTerms): boolean {
  return (
    one.quorum === other.quorum &&
    one.expires_in === other.expires_in &&
    one.reason_required === other.reason_required &&
    JSON.stringify(one.approvers) === JSON.stringify(other.approvers)
  )
}

function denialMessage(approval: Approval): string {
  const denial = approval.answers.find((answer) => answer.answer === 'deny')
  const reason = denial?.reason ?? null
  return reason === null ? 'an approver said no' : `an approver said no: ${reason}`
}
