import type { ApprovalLedger, Approval, Grant } from './approvals/index.ts'
import { sealRequest, type AccessRequest, type JsonObject, type Principal } from './access-request.ts'
import { ApprovalError } from './errors.ts'
import type { EvidenceLog } from './evidence/index.ts'
import { approverView, intentOf, type Judgement } from './intent.ts'
import type { PolicyStore } from './policy/index.ts'
import { rejection, verdictOf } from './judged.ts'
import type { HoldTerms, Verdict } from './verdict.ts'

/** What somebody asks for ahead. */
export type GrantAsk = Omit<Grant, 'subject'> & {
  /** For whom, where that is somebody else: an agent of the same issuer. */
  readonly agent: string | null
}

interface GrantRooms {
  readonly policy: PolicyStore
  readonly ledger: ApprovalLedger
  readonly evidence: Pick<EvidenceLog, 'append'>
  readonly bindingKey: Uint8Array
  now(): number
  monotonic(): bigint
  newId(): string
}

/** Questions of one requester that may be open at a time: approvers are people. */
const MOST_OPEN = 20

/**
 * Access that is asked for ahead. Policy answers it like any request, as `countersign/grants/verdict`: with a hold, whose
 * approvers give it, or for a break-glass review it afterwards. Any other verdict refuses.
 */
export class Grants {
  readonly #rooms: GrantRooms

  constructor(rooms: GrantRooms) {
    this.#rooms = rooms
  }

  /** The grant as it then stands: requested, or of a break-glass granted. Throws ApprovalError. */
  async ask(principal: Principal, ask: GrantAsk): Promise<Approval> {
    const { ledger } = this.#rooms
    const session = this.#rooms.newId()
    const grant = granted(principal, ask)
    await this.#checkOpen(principal)
    await this.#record({ event: 'session.opened', session, principal, detail: OPENED })
    const { decision, judgement, terms } = await this.#judge(principal, grant, session)
    await this.#record({ event: 'session.closed', session, detail: { reason: 'asked', records: 2 } })
    const { sealed, policy, answer } = judgement
    const [reason] = answer.reasons
    if (terms === null) {
      throw new ApprovalError('ERR_APPROVAL_REFUSED', `refused by policy: ${reason?.message ?? 'no rule allows this'}`)
    }
    const draft = {
      digest: sealed.digest,
      requester: principal,
      decision,
      session,
      policy,
      rule: reason?.rule ?? 'unnamed',
      message: reason?.message ?? '',
      terms,
      summary: approverView(sealed.request, { kind: 'hold', terms, fields: [] }),
      grant,
    }
    return grant.break_glass ? ledger.breakGlass(draft) : ledger.request(draft)
  }

  async #judge(principal: Principal, grant: Grant, session: string): Promise<Judged> {
    const asked = this.#rooms.monotonic()
    const policy = this.#rooms.policy.current()
    const decision = this.#rooms.newId()
    const request = requestOf(principal, grant, {
      session,
      now: this.#rooms.now(),
      revision: policy.reference.digest,
      held: this.#rooms.ledger.grantsOf(principal),
    })
    const sealed = sealRequest(request, this.#rooms.bindingKey)
    const live = verdictOf(policy, request, sealed, this.#rooms.now())
    const { verdict } = live
    const answer = verdict.kind === 'hold' || verdict.kind === 'reject' ? live : UNENFORCEABLE
    const carried: Verdict = verdict.kind === 'hold' ? verdict : { kind: 'reject' }
    const decidedNs = this.#rooms.monotonic()
    const decidedUs = Number((decidedNs - asked) / 1000n)
    const judgement: Judgement = { sealed, policy: policy.reference, answer, decidedUs, decidedNs }
    await this.#record({ ...intentOf(principal, decision, judgement, carried, null), session })
    return { decision, judgement, terms: verdict.kind === 'hold' ? verdict.terms : null }
  }

  async #checkOpen(requester: Principal): Promise<void> {
    const open = await this.#rooms.ledger.list({ state: 'requested', kind: 'grant', requester })
    if (open.length < MOST_OPEN) return
    const message = `${requester.id} has ${open.length} grants asked for that nobody has answered: wait, or withdraw some`
    throw new ApprovalError('ERR_APPROVAL_LIMIT', message)
  }

  #record(draft: Parameters<EvidenceLog['append']>[0]): Promise<void> {
    return this.#rooms.evidence.append(draft).durable
  }
}

const OPENED: JsonObject = { plane: 'grants', source: null, client: {} }
const UNENFORCEABLE = rejection(
  'obligation_unenforceable',
  'a grant is given by people: policy must answer with a hold, and answered otherwise',
)

interface Judged {
  readonly decision: string
  readonly judgement: Judgement
  /** null: refused. */
  readonly terms: HoldTerms | null
}

function granted({ id, issuer, act }: Principal, { agent, ...ask }: GrantAsk): Grant {
  const self = { id, issuer, act }
  return { ...ask, subject: agent === null || agent === id ? self : { id: agent, issuer, act: [] } }
}

function requestOf(
  principal: Principal,
  grant: Grant,
  about: {
    readonly session: string
    readonly now: number
    readonly revision: string
    readonly held: ReturnType<ApprovalLedger['grantsOf']>
  },
): AccessRequest {
  const { subject, plane, actions, resources: names, seconds, reason } = grant
  const resources = names.map((name) => ({ type: 'scope', name, labels: [], parts: [] }))
  const block = { subject: { ...subject }, plane, actions, resources: names, seconds, reason }
  return {
    principal,
    action: { name: grant.break_glass ? 'grants.break_glass' : 'grants.request', class: 'control' },
    resources,
    context: {
      plane: 'grants',
      session: about.session,
      time: new Date(about.now).toISOString(),
      source: null,
      transaction: 'none',
      approvals: [],
      ...(about.held.length === 0 ? {} : { grants: about.held }),
    },
    block,
    recorded: { resources, block },
    labels_revision: about.revision,
  }
}
