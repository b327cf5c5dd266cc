import { setTimeout as sleep } from 'node:timers/promises'
import { ApprovalError, EvidenceError, StateError } from '../errors.ts'
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
  /** The evidence writer that the journal writes as: what it has claimed is settled when it is over. */
  readonly writer: string
  /** Where other gateways change holds too: milliseconds from one look at what they did to the next. */
  readonly followMs?: number
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

/** How long a change waits for another gateway's of the same hold; that takes milliseconds, unless that gateway died. */
const CONTENDED_MS = 5_000
const CONTENDED_POLL_MS = 25
/** How often holds that nobody looks after are looked for. */
const SWEEP_MS = 10_000

/** Another gateway is changing this hold, or has since it was read: not for callers, who get `busy` when it lasts. */
class Contended extends Error {}

class Ledger implements ApprovalLedger {
  readonly #store: ApprovalStore
  readonly #options: LedgerOptions
  readonly #queue = new KeyedQueue()
  readonly #waiting = new WaitingRoom()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #closing = new AbortController()
  #following: Promise<void> = Promise.resolve()
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
    const { followMs } = this.#options
    if (followMs !== undefined) this.#following = this.#follow(followMs)
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
    await this.#following
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
   * A claim, evidence, the store, then those who wait. Killed after evidence: the claim stands, so that no other gateway
   * changes what it can't know the state of, until the rebuild that a restart begins with brings the store up to evidence.
   * The store failing after evidence: as good as killed, so the ledger ends.
   */
  async #change(event: ApprovalEvent): Promise<Approval> {
    const { approval } = event
    const { writer } = this.#options
    if (!(await this.#store.claim(approval, writer))) throw new Contended()
    try {
      await this.#options.journal(event)
    } catch (error) {
      if (!mayBeRecorded(error)) await this.#release(approval)
      throw error
    }
    try {
      await this.#store.settle(approval, writer)
    } catch (error) {
      throw this.#end(outOfStep(error))
    }
    this.#watch(approval)
    if (approval.state !== 'requested') this.#waiting.tell(approval)
    return approval
  }

  async #release(approval: Approval): Promise<void> {
    try {
      await this.#store.release(approval, this.#options.writer)
    } catch (error) {
      throw this.#end(outOfStep(error))
    }
  }

  /** Looks now and then at what other gateways did to holds that are waited for here, and at those that nobody looks after. */
  async #follow(everyMs: number): Promise<void> {
    for (let looks = 1; await this.#pause(everyMs); looks += 1) {
      try {
        await this.#lookAtAwaited()
        if ((looks * everyMs) % SWEEP_MS < everyMs) await this.#sweep()
      } catch {
        // The next look tells; those who wait have their own patience, and what they then do meets the same store.
      }
    }
  }

  async #lookAtAwaited(): Promise<void> {
    const awaited = this.#waiting.awaited()
    if (awaited.length === 0) return
    for (const approval of await this.#store.settled(awaited)) this.#waiting.tell(approval)
  }

  /** The gateway that asked may be gone: a hold expires all the same. */
  async #sweep(): Promise<void> {
    const open = await this.#store.list(STATES.filter(isOpen))
    for (const approval of open) if (this.#isDue(approval)) await this.#expire(approval.id)
  }

  async #pause(ms: number): Promise<boolean> {
    try {
      await sleep(ms, undefined, { signal: this.#closing.signal, ref: false })
      return true
    } catch {
      return false
    }
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
    return this.#queue.run(key, () => this.#uncontended(work))
  }

  /** Does it again, from what the store then has, while another gateway is changing the same. */
  async #uncontended<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let waited = 0; ; waited += CONTENDED_POLL_MS) {
      this.#checkOpen()
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Contended)) throw error
        if (waited >= CONTENDED_MS) throw busy()
      }
      await this.#pause(CONTENDED_POLL_MS)
    }
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
    this.#closing.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#waiting.failAll(this.#ended)
    return this.#ended
  }
}

// After a fatal failure nobody knows what of the last batch is durable; any other refusal was before anything was written.
function mayBeRecorded(error: unknown): boolean {
  return error instanceof EvidenceError && error.fatal
}

function busy(): StateError {
  const message = 'another gateway has been changing this hold for seconds: ask again; if that gateway died, start it'
  return new StateError('ERR_STATE_BUSY', message, { retryable: true })
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
