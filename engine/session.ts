import type { ApprovalLedger, Approval } from './approvals/index.ts'
import type { AccessRequest, GrantSeen, Principal, SealedRequest } from './access-request.ts'
import { constant, sealRequest } from './access-request.ts'
import { ApprovalError, IdentityError, ObligationError } from './errors.ts'
import type { Appended, EvidenceLog } from './evidence/index.ts'
import { HeldIntent, HeldIntents, type SessionDraft } from './held-intents.ts'
import type {
  DecideOptions,
  Enforceable,
  RecordedAnswer,
  RecordingFrame,
  Refusal,
  Session,
  UpstreamInfo,
} from './plane.ts'
import type { PolicyAnswer, PolicyStore } from './policy/index.ts'
import { approverView, controlsOf, intentOf, limitsOf, withLimits, type ApprovalRef, type Judgement } from './intent.ts'
import { outcomeOf, settledIntent } from './outcome.ts'
import { rejection, verdictOf, withoutHold } from './judged.ts'
import { ruleOf, SessionEnd, type EndRooms } from './session-end.ts'
import type { Observer } from './shadow/index.ts'
import type { Decision, HoldTerms, Outcome, Reason, Verdict } from './verdict.ts'

/** What a session needs of the gateway it belongs to. */
export interface SessionRooms extends EndRooms {
  readonly policy: PolicyStore
  readonly ledger: ApprovalLedger
  readonly evidence: EvidenceLog
  /** Where a candidate runs beside the live policy. */
  readonly shadow?: Observer
  /** Of requests' digests; engine/state keeps it. */
  readonly bindingKey: Uint8Array
  /** Milliseconds since 1970. */
  now(): number
  /** Nanoseconds of a clock that never goes back. */
  monotonic(): bigint
  newId(): string
}

/** The largest request, as JSON, whose intent waits for its outcome. */
const HELD_CHARACTERS = 16 * 1024

const EXPIRED = { event: 'credential.expired' } as const
const REFUSED = { event: 'identity.rejected' } as const

const NOTHING_TO_WAIT_FOR: Promise<void> = Promise.resolve()
const alreadyRecorded = (): Promise<void> => NOTHING_TO_WAIT_FOR

/**
 * One client connection as evidence sees it: decide, hold, settle, in the order of durability. An intent is on disk
 * before its effect; an approval is used before the intent that it releases; an outcome follows.
 */
export class GatewaySession implements Session {
  readonly id: string
  readonly #principal: Principal
  readonly #enforceable: Enforceable
  readonly #rooms: SessionRooms
  readonly #end: SessionEnd
  readonly #held: HeldIntents = new HeldIntents(
    (draft) => this.#append(draft),
    () => this.#rooms.monotonic(),
  )
  /** What this session has recorded: its last record tells, so that one that is left out of a copy is missed. */
  #records = 0

  constructor(id: string, principal: Principal, enforceable: Enforceable, rooms: SessionRooms) {
    this.id = id
    this.#principal = constant(principal)
    this.#enforceable = enforceable
    this.#rooms = rooms
    this.#end = new SessionEnd(principal, rooms, (error) => this.#recordEnd(error))
  }

  get over(): AbortSignal {
    return this.#end.signal
  }

  async connected(upstream: UpstreamInfo): Promise<void> {
    await this.#append({ event: 'upstream.connected', detail: upstream }).durable
  }

  async decide(request: AccessRequest, options: DecideOptions): Promise<Decision> {
    const decided = await this.#decide(request, options)
    const refusal = this.#end.refusal()
    if (refusal !== null && refusal.code !== 'ERR_IDENTITY_UNSURE') this.#end.fire(refusal).catch(() => undefined)
    return decided
  }

  async #decide(request: AccessRequest, options: DecideOptions): Promise<Decision> {
    const decision = this.#rooms.newId()
    const judgement = this.#judgePart(request, decision, options.partOf)
    const { verdict } = judgement.answer
    if (verdict.kind === 'hold') return this.#hold(decision, judgement, verdict, options)
    // One that may be more than a record can hold is tried at once, to be refused while that can still be.
    const small = judgement.sealed.json.length <= HELD_CHARACTERS
    if (verdict.kind !== 'reject' && options.effectFree === true && small)
      return this.#unhurried(decision, judgement, verdict)
    await this.#recordIntent(decision, judgement, verdict, null).durable
    return this.#decision(decision, judgement, verdict, null)
  }

  /** Its intent waits for its outcome, to share a record with it, unless somebody asks for it before. */
  #unhurried(id: string, judgement: Judgement, verdict: Verdict): Decision {
    const draft = intentOf(this.#principal, id, judgement, verdict, null)
    const intent = new HeldIntent(draft, judgement.decidedNs)
    this.#held.hold(id, intent)
    return this.#decision(id, judgement, verdict, null, () => this.#held.record(intent))
  }

  allows(named: AccessRequest): boolean {
    const request = withGrants(named, this.#rooms.ledger.grantsOf(this.#principal))
    const policy = this.#rooms.policy.current()
    if (request.labels_revision !== policy.reference.digest || this.#over() !== null) return false
    const sealed = sealRequest(request, this.#rooms.bindingKey)
    return verdictOf(policy, request, sealed, this.#rooms.now()).verdict.kind === 'forward'
  }

  async refuse(refusal: Refusal): Promise<Decision> {
    const id = this.#rooms.newId()
    const policy = this.#rooms.policy.current().reference
    const reasons: readonly Reason[] = [{ rule: refusal.code, message: refusal.message, controls: [] }]
    const verdict: Verdict = { kind: 'reject' }
    const { durable } = this.#append({
      event: 'decision.reject',
      principal: this.#principal,
      decision: id,
      action: { name: refusal.action, class: 'control' },
      verdict: verdict.kind,
      reasons,
      controls: [],
      policy,
      payload: { block: refusal.block, values: [] },
    })
    await durable
    return { id, verdict, reasons, controls: [], policy, approval: null, recorded: alreadyRecorded }
  }

  record(frame: RecordingFrame): Promise<void> {
    if (frame.decision !== null) this.#held.recordOf(frame.decision) // before what it led to
    return this.#rooms.evidence.appendFrame(this.id, frame).durable
  }

  settle({ id }: Decision, outcome: Outcome, answer?: RecordedAnswer): Promise<void> {
    const intent = this.#held.take(id)
    if (intent === undefined) return this.#settleApart(id, outcome, answer)
    if (intent.durable === null && outcome.status !== 'unknown') {
      const whole = this.#append(settledIntent(intent, outcome, answer, this.#rooms.monotonic()))
      if (whole.id !== '') return (intent.durable = whole.durable)
    }
    // Too late for that, or both together are more than a record can hold, or nothing can be recorded any more.
    const recorded = this.#held.record(intent)
    return together(recorded, this.#settleApart(id, outcome, answer))
  }

  #settleApart(decision: string, outcome: Outcome, answer: RecordedAnswer | undefined): Promise<void> {
    const appended = this.#append(outcomeOf(decision, outcome, answer))
    if (appended.id !== '' || answer === undefined) return appended.durable
    const frame = this.record({ dir: 'upstream', decision, ...answer })
    return together(frame, this.#append(outcomeOf(decision, outcome)).durable)
  }

  failedClosed({ code, message }: ObligationError): Promise<void> {
    return this.#append({ event: 'masking.failed_closed', detail: { code, message } }).durable
  }

  async close(reason: string): Promise<void> {
    this.#end.close()
    this.#held.recordAll()
    await this.#append({ event: 'session.closed', detail: { reason, records: this.#records + 1 } }).durable
  }

  #judgePart(request: AccessRequest, decision: string, whole: Decision | undefined): Judgement {
    const judgement = this.#judge(request, decision)
    return whole === undefined ? judgement : { ...judgement, answer: withoutHold(judgement.answer, whole) }
  }

  /** Never throws for what policy does wrong: a failure of policy is a rejection, recorded as one. */
  #judge(named: AccessRequest, decision: string): Judgement {
    const asked = this.#rooms.monotonic()
    const request = withGrants(named, this.#rooms.ledger.grantsOf(this.#principal))
    const policy = this.#rooms.policy.current()
    if (request.labels_revision !== policy.reference.digest) {
      throw new ObligationError('ERR_OBLIGATION_STALE', 'the policy changed while this request was being normalized', {
        retryable: true,
      })
    }
    const sealed = sealRequest(request, this.#rooms.bindingKey)
    const answer = this.#over() ?? this.#enforceableOnly(this.#evaluate(policy, request, sealed, decision))
    const decidedNs = this.#rooms.monotonic()
    return { sealed, policy: policy.reference, answer, decidedUs: Number((decidedNs - asked) / 1000n), decidedNs }
  }

  #evaluate(
    policy: ReturnType<PolicyStore['current']>,
    request: AccessRequest,
    sealed: SealedRequest,
    decision: string,
  ): PolicyAnswer {
    const nowMs = this.#rooms.now()
    const live = verdictOf(policy, request, sealed, nowMs)
    const { plane } = request.context
    this.#rooms.shadow?.offer({ decision, plane, action: request.action.name, sealed, nowMs, live })
    return live
  }

  #over(): PolicyAnswer | null {
    const refusal = this.#end.refusal()
    return refusal === null ? null : rejection(ruleOf(refusal), refusal.message)
  }

  /** The session's last but one: whoever reads it sees why it ended before it sees that it did. */
  #recordEnd({ code }: IdentityError): Promise<void> {
    const what = code === 'ERR_IDENTITY_EXPIRED' ? EXPIRED : REFUSED
    return this.#append({ ...what, principal: this.#principal, detail: { code } }).durable
  }

  #enforceableOnly(answer: PolicyAnswer): PolicyAnswer {
    const { verdict } = answer
    if (verdict.kind === 'hold' && !this.#enforceable.hold) {
      return rejection('obligation_unenforceable', 'policy asks for a hold, which this plane cannot carry out')
    }
    if (limitsOf(verdict) !== undefined && !this.#enforceable.limits) {
      return rejection('obligation_unenforceable', 'policy limits the answer, which this plane cannot carry out')
    }
    const fields = verdict.kind === 'mask' || verdict.kind === 'hold' ? verdict.fields : []
    const unknown = fields.find((mask) => !this.#enforceable.maskMethods.includes(mask.method))
    if (unknown === undefined) return answer
    const message = `policy asks for mask method ${unknown.method}, which this plane cannot carry out`
    return rejection('obligation_unenforceable', message)
  }

  async #hold(
    decision: string,
    judgement: Judgement,
    verdict: Extract<Verdict, { kind: 'hold' }>,
    options: DecideOptions,
  ): Promise<Decision> {
    await this.#recordIntent(decision, judgement, verdict, null).durable
    const { sealed, policy, answer } = judgement
    const first = answer.reasons[0]
    const approval = await this.#rooms.ledger.request({
      digest: sealed.digest,
      requester: this.#principal,
      decision,
      session: this.id,
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
        return this.#decision(decision, judgement, verdict, ref(answered, 'requested'))
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
    const judgement = this.#judge({ ...fresh, context: { ...fresh.context, approvals } }, decision)
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
      const intent = this.#recordIntent(decision, judgement, verdict, ref(approval, 'requested'))
      await intent.durable
      return this.#decision(decision, judgement, verdict, null)
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
    const [over] = this.#over()?.reasons ?? []
    if (over !== undefined) return this.#rejectHeld(decision, judgement, approval, over.rule, over.message)
    const fields = verdict.kind === 'forward' ? [] : verdict.fields
    const limited = withLimits(limitsOf(verdict))
    const released: Verdict = fields.length > 0 ? { kind: 'mask', fields, ...limited } : { kind: 'forward', ...limited }
    const used = ref(approval, 'used')
    await this.#recordIntent(decision, judgement, released, used).durable
    return this.#decision(decision, judgement, released, used)
  }

  /** The token that asked may have named another owner than the one that now comes for the answer. */
  #answeredByOwner({ answers }: Approval): { readonly rule: string; readonly message: string } | null {
    const { id, owner, act } = this.#principal
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
    await this.#recordIntent(decision, rejected, verdict, ref(approval, state)).durable
    return this.#decision(decision, rejected, verdict, ref(approval, state))
  }

  #recordIntent(decision: string, judgement: Judgement, verdict: Verdict, approval: ApprovalRef | null): Appended {
    this.#held.recordAll() // a session's intents are in the order of their decisions
    return this.#append(intentOf(this.#principal, decision, judgement, verdict, approval))
  }

  #decision(
    id: string,
    { policy, answer }: Judgement,
    verdict: Verdict,
    approval: ApprovalRef | null,
    recorded: () => Promise<void> = alreadyRecorded,
  ): Decision {
    const { reasons } = answer
    return { id, verdict, reasons, controls: controlsOf(reasons), policy, approval, recorded }
  }

  #append(draft: SessionDraft): Appended {
    const appended = this.#rooms.evidence.append({ ...draft, session: this.id })
    if (appended.id !== '') this.#records += 1
    return appended
  }
}

/** What is written together is one promise already. */
function together(one: Promise<void>, other: Promise<void>): Promise<void> {
  return one === other ? one : Promise.all([one, other]).then(() => undefined)
}

/** The request with what its principal has been granted; the very same where that is nothing. */
function withGrants(request: AccessRequest, grants: readonly GrantSeen[]): AccessRequest {
  return grants.length === 0 ? request : { ...request, context: { ...request.context, grants } }
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
