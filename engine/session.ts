import type { ApprovalLedger } from './approvals/index.ts'
import type { AccessRequest, GrantSeen, Principal, SealedRequest } from './access-request.ts'
import { constant, sealRequest } from './access-request.ts'
import { IdentityError, ObligationError } from './errors.ts'
import type { Appended, EvidenceLog } from './evidence/index.ts'
import { Hold } from './hold.ts'
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
import { intentOf, limitsOf, type ApprovalRef, type Judgement } from './intent.ts'
import { outcomeOf, settledIntent } from './outcome.ts'
import { decisionOf, rejection, verdictOf, withoutHold } from './judged.ts'
import { ruleOf, SessionEnd, type EndRooms } from './session-end.ts'
import type { Observer } from './shadow/index.ts'
import { UnansweredIntent, UnansweredIntents, type SessionDraft } from './unanswered-intents.ts'
import type { Decision, Outcome, Reason, Verdict } from './verdict.ts'

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
const WAITING_CHARACTERS = 16 * 1024

const EXPIRED = { event: 'credential.expired' } as const
const REFUSED = { event: 'identity.rejected' } as const

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
  readonly #hold: Hold
  readonly #unanswered: UnansweredIntents = new UnansweredIntents(
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
    this.#hold = new Hold({
      session: id,
      principal: this.#principal,
      ledger: rooms.ledger,
      judge: (request, decision) => this.#judge(request, decision),
      over: () => this.#over(),
      record: (...intent) => this.#recordIntent(...intent).durable,
    })
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
    if (verdict.kind === 'hold') return this.#hold.ask(decision, judgement, verdict, options)
    // One that may be more than a record can hold is tried at once, to be refused while that can still be.
    const small = judgement.sealed.json.length <= WAITING_CHARACTERS
    if (verdict.kind !== 'reject' && options.effectFree === true && small)
      return this.#unhurried(decision, judgement, verdict)
    await this.#recordIntent(decision, judgement, verdict, null).durable
    return decisionOf(decision, judgement, verdict, null)
  }

  /** Its intent waits for its outcome, to share a record with it, unless somebody asks for it before. */
  #unhurried(id: string, judgement: Judgement, verdict: Verdict): Decision {
    const draft = intentOf(this.#principal, id, judgement, verdict, null)
    const intent = new UnansweredIntent(draft, judgement.decidedNs)
    this.#unanswered.add(id, intent)
    return decisionOf(id, judgement, verdict, null, () => this.#unanswered.record(intent))
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
    return decisionOf(id, { policy, answer: { verdict, reasons, nondeterministic: null } }, verdict, null)
  }

  record(frame: RecordingFrame): Promise<void> {
    if (frame.decision !== null) this.#unanswered.recordOf(frame.decision) // before what it led to
    return this.#rooms.evidence.appendFrame(this.id, frame).durable
  }

  settle({ id }: Decision, outcome: Outcome, answer?: RecordedAnswer): Promise<void> {
    const intent = this.#unanswered.take(id)
    if (intent === undefined) return this.#settleApart(id, outcome, answer)
    if (intent.durable === null && outcome.status !== 'unknown') {
      const whole = this.#append(settledIntent(intent, outcome, answer, this.#rooms.monotonic()))
      if (whole.id !== '') return (intent.durable = whole.durable)
    }
    // Too late for that, or both together are more than a record can hold, or nothing can be recorded any more.
    const recorded = this.#unanswered.record(intent)
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
    this.#unanswered.recordAll()
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

  #recordIntent(decision: string, judgement: Judgement, verdict: Verdict, approval: ApprovalRef | null): Appended {
    this.#unanswered.recordAll() // a session's intents are in the order of their decisions
    return this.#append(intentOf(this.#principal, decision, judgement, verdict, approval))
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
