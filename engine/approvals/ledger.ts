import { ApprovalError, StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { answered, type AnswerDraft } from './answering.ts'
import {
  isOpen,
  mayBecome,
  type Approval,
  type ApprovalDraft,
  type ApprovalEvent,
  type ApprovalState,
} from './approval.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { ApprovalStore, type Binding } from './store.ts'
import { WaitingRoom } from './waiting-room.ts'

/** Holds and their answers: durable before anything is told, used once. Every failure refuses. */
export interface ApprovalLedger {
  /** A new hold; or the open one that the same requester has for the same request under the same policy. */
  request(draft: ApprovalDraft): Promise<Approval>
  /** Throws ApprovalError, one code per rule that is broken. */
  answer(id: string, draft: AnswerDraft): Promise<Approval>
  /** Resolves when the hold is no longer `requested`; rejects with the signal's reason when that is aborted first. */
  settled(id: string, signal: AbortSignal): Promise<Approval>
  /** Spends a granted approval; durable when it resolves, and of any number of callers only one sees it resolve. */
  use(id: string, digest: string): Promise<Approval>
  /** For a client that goes away. Does nothing to a hold that is settled, or that another client still waits on. */
  withdraw(id: string): Promise<void>
  get(id: string): Promise<Approval | null>
  /** Newest first, at most 1,000. */
  list(filter?: { readonly state?: ApprovalState }): Promise<readonly Approval[]>
  /** Ends all waiting. The database stays its opener's to close. */
  close(): Promise<void>
}

export interface LedgerOptions {
  /** Milliseconds since 1970. */
  now(): number
  newId(): string
  /** The evidence log. A change takes place after this has resolved, and not at all when it rejects. */
  journal(event: ApprovalEvent): Promise<void>
}

/**
 * Opens the ledger over a database that has been rebuilt from evidence (see rebuild.ts). Holds found open stay
 * answerable; those whose time has passed meanwhile are expired before this resolves.
 */
export async function openLedger(database: Database, options: LedgerOptions): Promise<ApprovalLedger> {
  const ledger = new Ledger(new ApprovalStore(database), options)
  await ledger.resume()
  return ledger
}

const STATES: readonly ApprovalState[] = ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used']
const LIST_LIMIT = 1_000
const MAX_TIMEOUT_MS = 2 ** 31 - 1

class Ledger implements ApprovalLedger {
  readonly #store: ApprovalStore
  readonly #options: LedgerOptions
  readonly #queue = new KeyedQueue()
  readonly #waiting = new WaitingRoom()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  /** Set once: by close, or when the store lost a change that evidence has. Only a restart brings the two together. */
  #ended: ApprovalError | StateError | null = null

  constructor(store: ApprovalStore, options: LedgerOptions) {
    this.#store = store
    this.#options = options
  }

  async resume(): Promise<void> {
    for (const approval of await this.#store.list(STATES.filter(isOpen))) {
      if (this.#isDue(approval)) await this.#expire(approval.id)
      else this.#watch(approval)
    }
  }

  request(draft: ApprovalDraft): Promise<Approval> {
    return this.#inTurn(draft, async () => {
      const open = await this.#store.findOpen(draft)
      if (open === null) return this.#open(draft)
      if (!this.#isDue(open)) return open
      await this.#become(open, 'expired')
      return this.#open(draft)
    })
  }

  answer(id: string, draft: AnswerDraft): Promise<Approval> {
    return this.#inTurnOf(id, async (approval) => {
      const next = answered(await this.#current(approval), draft, this.#options.now())
      const event = next.state === 'requested' ? 'approval.answered' : (`approval.${next.state}` as const)
      return this.#change({ event, approval: next, by: draft.by })
    })
  }

  async settled(id: string, signal: AbortSignal): Promise<Approval> {
    this.#checkOpen()
    return this.#waiting.wait(id, signal, () => this.#known(id))
  }

  use(id: string, digest: string): Promise<Approval> {
    return this.#inTurnOf(id, async (approval) => {
      const current = await this.#current(approval)
      if (current.digest !== digest) {
        throw new ApprovalError('ERR_APPROVAL_DIGEST', `approval ${id} was given to another request than this`)
      }
      if (current.state === 'expired') {
        throw new ApprovalError('ERR_APPROVAL_EXPIRED', `approval ${id} expired before it was used: ask again`)
      }
      return this.#become(current, 'used')
    })
  }

  async withdraw(id: string): Promise<void> {
    await this.#inTurnOf(id, async (approval) => {
      if (isOpen(approval.state) && !this.#waiting.isAwaited(id)) await this.#become(approval, 'withdrawn')
    })
  }

  async get(id: string): Promise<Approval | null> {
    this.#checkOpen()
    return this.#store.get(id)
  }

  async list(filter: { readonly state?: ApprovalState } = {}): Promise<readonly Approval[]> {
    this.#checkOpen()
    return this.#store.list(filter.state === undefined ? STATES : [filter.state], LIST_LIMIT)
  }

  async close(): Promise<void> {
    this.#end(new ApprovalError('ERR_APPROVAL_CLOSED', 'the approval ledger is closed', { retryable: true }))
    await this.#queue.idle()
  }

  async #open(draft: ApprovalDraft): Promise<Approval> {
    const approval = drafted(draft, this.#options.newId(), this.#options.now())
    return this.#change({ event: 'approval.requested', approval })
  }

  /** The approval, expired first where its time has passed and no timer got to it yet. */
  async #current(approval: Approval): Promise<Approval> {
    return this.#isDue(approval) ? this.#become(approval, 'expired') : approval
  }

  #become(approval: Approval, state: Exclude<ApprovalState, 'requested'>): Promise<Approval> {
    if (!mayBecome(approval.state, state)) {
      throw new ApprovalError(
        'ERR_APPROVAL_STATE',
        `approval ${approval.id} is ${approval.state} and can't be ${state}`,
      )
    }
    const next = { ...approval, version: approval.version + 1, state }
    return this.#change({ event: `approval.${state}`, approval: next })
  }

  /**
   * Evidence, then the store, then those who wait. Killed after the first: the restart's rebuild brings the store up to
   * evidence. The store failing after the first: as good as killed, so the ledger ends.
   */
  async #change(event: ApprovalEvent): Promise<Approval> {
    const { approval } = event
    await this.#options.journal(event)
    try {
      await (approval.version === 1 ? this.#store.insert(approval) : this.#store.replace(approval))
    } catch (error) {
      throw this.#end(outOfStep(error))
    }
    this.#watch(approval)
    if (approval.state !== 'requested') this.#waiting.tell(approval)
    return approval
  }

  #isDue({ state, expiresAt }: Approval): boolean {
    return isOpen(state) && this.#options.now() >= expiresAt
  }

  #watch({ id, state, expiresAt }: Approval): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    if (!isOpen(state) || this.#ended !== null) return
    const delay = Math.min(Math.max(expiresAt - this.#options.now(), 0), MAX_TIMEOUT_MS)
    this.#timers.set(id, setTimeout(() => void this.#onTime(id), delay).unref())
  }

  /** An expiry that can't be recorded frees nobody: those who wait are refused, and the next to touch it tries again. */
  async #onTime(id: string): Promise<void> {
    try {
      await this.#expire(id)
    } catch (error) {
      this.#waiting.fail(id, error)
    }
  }

  async #expire(id: string): Promise<void> {
    await this.#inTurnOf(id, async (approval) => {
      const current = await this.#current(approval)
      if (isOpen(current.state)) this.#watch(current) // the timer was early, or its delay was capped
    })
  }

  async #inTurnOf<Result>(id: string, work: (approval: Approval) => Promise<Result>): Promise<Result> {
    this.#checkOpen()
    const binding = await this.#known(id)
    return this.#inTurn(binding, async () => work(await this.#known(id)))
  }

  /** All changes to the holds of one binding, one after the other: of concurrent answers one wins, of requests one asks. */
  #inTurn<Result>({ digest, requester, policy }: Binding, work: () => Promise<Result>): Promise<Result> {
    const key = JSON.stringify([digest, requester.id, requester.issuer, policy.digest])
    return this.#queue.run(key, async () => {
      this.#checkOpen()
      return work()
    })
  }

  async #known(id: string): Promise<Approval> {
    const approval = await this.#store.get(id)
    if (approval === null) throw new ApprovalError('ERR_APPROVAL_UNKNOWN', `there is no approval ${id}`)
    return approval
  }

  #checkOpen(): void {
    if (this.#ended !== null) throw this.#ended
  }

  #end(error: ApprovalError | StateError): ApprovalError | StateError {
    this.#ended ??= error
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#waiting.failAll(this.#ended)
    return this.#ended
  }
}

function outOfStep(cause: unknown): StateError {
  const message =
    'an approval that evidence has could not be stored: restart the gateway, which rebuilds it from evidence'
  return new StateError('ERR_STATE_QUERY', message, { cause })
}

function drafted(draft: ApprovalDraft, id: string, now: number): Approval {
  const { digest, decision, session, rule, message, summary, requester, policy } = draft
  const { approvers, quorum, expires_in, reason_required } = checkedTerms(draft)
  return {
    id,
    version: 1,
    state: 'requested',
    digest,
    requester: {
      id: requester.id,
      kind: requester.kind,
      act: requester.act,
      owner: requester.owner,
      issuer: requester.issuer,
    },
    decision,
    session,
    policy: { revision: policy.revision, digest: policy.digest },
    rule,
    message,
    terms: { approvers, quorum, expires_in, reason_required },
    summary,
    requestedAt: now,
    expiresAt: now + Math.round(expires_in * 1000),
    answers: [],
  }
}

/** Terms that nobody could meet, or that anybody would, are refused here whatever policy let through. */
function checkedTerms({ terms }: ApprovalDraft): ApprovalDraft['terms'] {
  const { approvers, quorum, expires_in } = terms
  if (approvers.length === 0 || !Number.isSafeInteger(quorum) || quorum < 1) {
    throw new ApprovalError('ERR_APPROVAL_TERMS', 'a hold needs a group of approvers and a quorum of at least 1')
  }
  if (!(expires_in > 0) || !Number.isSafeInteger(Math.round(expires_in * 1000))) {
    throw new ApprovalError('ERR_APPROVAL_TERMS', 'a hold needs a time after which it expires, in seconds above 0')
  }
  return terms
}
