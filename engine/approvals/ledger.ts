import { setTimeout as sleep } from 'node:timers/promises'
import type { GrantSeen, Principal } from '../access-request.ts'
import { ApprovalError, EvidenceError, StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { Alarms } from './alarms.ts'
import { answered, type AnswerDraft } from './answering.ts'
import {
  eventOf,
  isOpen,
  mayBecome,
  STATES,
  type Approval,
  type ApprovalDraft,
  type ApprovalEvent,
  type ApprovalState,
} from './approval.ts'
import type { ApprovalLedger, LedgerOptions, ListFilter } from './approval-ledger.ts'
import { Contended, uncontended } from './contention.ts'
import { drafted, taken } from './drafting.ts'
import { overdue, reviewed, revoked, type ReviewDraft, type RevocationDraft } from './ending.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { LiveGrants } from './live-grants.ts'
import { ApprovalStore, type Binding } from './store.ts'
import { WaitingRoom } from './waiting-room.ts'

/**
 * Opens the ledger over a database that has been rebuilt from evidence (see rebuild.ts). Holds found open stay
 * answerable; those whose time has passed meanwhile are expired before this resolves.
 */
export async function openLedger(database: Database, options: LedgerOptions): Promise<ApprovalLedger> {
  const ledger = new Ledger(new ApprovalStore(database), options)
  await ledger.resume()
  return ledger
}

const LIST_LIMIT = 1_000
/** How often holds that nobody looks after are looked for. */
const SWEEP_MS = 10_000

class Ledger implements ApprovalLedger {
  readonly #store: ApprovalStore
  readonly #options: LedgerOptions
  readonly #queue = new KeyedQueue()
  readonly #waiting = new WaitingRoom()
  readonly #live = new LiveGrants()
  readonly #alarms: Alarms
  readonly #closing = new AbortController()
  #following: Promise<void> = Promise.resolve()
  /** Set once: by close, or when the store lost a change that evidence has. Only a restart brings the two together. */
  #ended: ApprovalError | StateError | null = null

  constructor(store: ApprovalStore, options: LedgerOptions) {
    this.#store = store
    this.#options = options
    this.#alarms = new Alarms(
      () => options.now(),
      (id) => this.#onTime(id),
    )
  }

  async resume(): Promise<void> {
    for (const approval of await this.#store.awaitingTime()) {
      this.#live.take(approval)
      if (this.#isDue(approval)) await this.#expire(approval.id)
      else this.#watch(approval)
    }
    const { followMs } = this.#options
    if (followMs === undefined) return
    await this.#lookAtGrants()
    this.#following = this.#follow(followMs)
  }

  request(draft: ApprovalDraft): Promise<Approval> {
    return this.#openOr(draft, drafted)
  }

  breakGlass(draft: ApprovalDraft): Promise<Approval> {
    return this.#openOr(draft, taken, draft.requester)
  }

  answer(id: string, draft: AnswerDraft): Promise<Approval> {
    return this.#inTurnOf(id, async (approval) => {
      const current = await this.#current(approval)
      const next = answered(current, draft, this.#options.now())
      if (draft.answer === 'approve') this.#checkPolicy(current)
      return this.#change(current, next, draft.by)
    })
  }

  revoke(id: string, draft: RevocationDraft): Promise<Approval> {
    return this.#inTurnOf(id, async (approval) => {
      const current = await this.#current(approval)
      return this.#change(current, revoked(current, draft, this.#options.now()), draft.by)
    })
  }

  review(id: string, draft: ReviewDraft): Promise<Approval> {
    return this.#inTurnOf(id, async (approval) =>
      this.#change(approval, reviewed(approval, draft, this.#options.now()), draft.by),
    )
  }

  grantsOf(principal: Principal): readonly GrantSeen[] {
    return this.#ended === null ? this.#live.of(principal, this.#options.now()) : []
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

  async list({ state, ...more }: ListFilter = {}): Promise<readonly Approval[]> {
    this.#checkOpen()
    return this.#store.list(state === undefined ? STATES : [state], { ...more, limit: LIST_LIMIT })
  }

  async close(): Promise<void> {
    this.#end(new ApprovalError('ERR_APPROVAL_CLOSED', 'the approval ledger is closed', { retryable: true }))
    await this.#queue.idle()
    await this.#following
  }

  /** A new one; or the open one of the same binding. */
  #openOr(draft: ApprovalDraft, begin: typeof drafted, by?: Principal): Promise<Approval> {
    return this.#inTurn(draft, async () => {
      const open = await this.#store.findOpen(draft)
      if (open !== null && this.#options.now() < open.expiresAt) return open
      if (open !== null) await this.#become(open, 'expired')
      return this.#change(null, begin(draft, this.#options.newId(), this.#options.now()), by)
    })
  }

  // A hold is judged again when it is used; a grant is used by what is not known yet.
  #checkPolicy({ id, grant, policy }: Approval): void {
    if (grant === undefined || (this.#options.policyInForce?.() ?? policy.digest) === policy.digest) return
    const message = `the policy has changed since grant ${id} was asked for: it can only be denied, and asked for again`
    throw new ApprovalError('ERR_APPROVAL_POLICY', message)
  }

  /** The approval, expired first where its time has passed and no timer got to it yet. */
  async #current(approval: Approval): Promise<Approval> {
    const { state, expiresAt } = approval
    return isOpen(state) && this.#options.now() >= expiresAt ? this.#become(approval, 'expired') : approval
  }

  #become(approval: Approval, state: Exclude<ApprovalState, 'requested'>): Promise<Approval> {
    if (!mayBecome(approval.state, state)) {
      throw new ApprovalError(
        'ERR_APPROVAL_STATE',
        `approval ${approval.id} is ${approval.state} and can't be ${state}`,
      )
    }
    return this.#change(approval, { ...approval, version: approval.version + 1, state })
  }

  /**
   * A claim, evidence, the store, then those who wait. Killed after evidence: the claim stands, so that no other gateway
   * changes what it can't know the state of, until the rebuild that a restart begins with brings the store up to evidence.
   * The store failing after evidence: as good as killed, so the ledger ends.
   */
  async #change(before: Approval | null, approval: Approval, by?: Principal): Promise<Approval> {
    const { writer } = this.#options
    const event = { event: eventOf(before, approval), approval }
    if (!(await this.#store.claim(approval, writer))) throw new Contended()
    try {
      await this.#options.journal(by === undefined ? event : { ...event, by })
    } catch (error) {
      if (!mayBeRecorded(error)) await this.#release(approval)
      throw error
    }
    try {
      await this.#settle(event)
    } catch (error) {
      throw this.#end(outOfStep(error))
    }
    this.#watch(approval)
    this.#live.take(approval)
    if (approval.state !== 'requested') this.#waiting.tell(approval)
    return approval
  }

  /** The row and what is to be told of it, together. */
  async #settle(event: ApprovalEvent): Promise<void> {
    const { writer, announce } = this.#options
    if (announce === undefined) return this.#store.settle(event.approval, writer)
    await this.#store.transaction(async (store) => {
      await store.settle(event.approval, writer)
      await store.announce(event, announce, this.#options.now())
    })
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
        await this.#lookAtGrants()
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

  async #lookAtGrants(): Promise<void> {
    const askedAt = performance.now()
    this.#live.replace(await this.#store.list(['granted'], { kind: 'grant' }), askedAt)
  }

  /** The gateway that asked may be gone: a hold expires all the same. */
  async #sweep(): Promise<void> {
    const open = await this.#store.awaitingTime()
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

  #isDue(approval: Approval): boolean {
    return this.#options.now() >= nextTime(approval)
  }

  #watch(approval: Approval): void {
    this.#alarms.set(approval.id, this.#ended === null ? nextTime(approval) : Infinity)
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
      const late = overdue(current, this.#options.now())
      if (late === null) this.#watch(current) // the timer was early, or its delay was capped
      else await this.#change(current, late)
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
    const open = async (): Promise<Result> => {
      this.#checkOpen()
      return work()
    }
    return this.#queue.run(key, () => uncontended(open, (ms) => this.#pause(ms)))
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
    this.#alarms.clear()
    this.#waiting.failAll(this.#ended)
    return this.#ended
  }
}

// After a fatal failure nobody knows what of the last batch is durable; any other refusal was before anything was written.
function mayBeRecorded(error: unknown): boolean {
  return error instanceof EvidenceError && error.fatal
}

function outOfStep(cause: unknown): StateError {
  const message =
    'an approval that evidence has could not be stored: restart the gateway, which rebuilds it from evidence'
  return new StateError('ERR_STATE_QUERY', message, { cause })
}

/** When something happens to an approval by itself: it expires, or its review becomes overdue. */
function nextTime({ state, expiresAt, review }: Approval): number {
  const due = review === undefined || review.closed !== null || review.overdue ? Infinity : review.dueAt
  return isOpen(state) ? Math.min(expiresAt, due) : due
}
