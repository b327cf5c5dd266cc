import type { JsonObject } from './access-request.ts'
import type { Appended, RecordDraft } from './evidence/index.ts'

/** How long an intent may wait for its outcome at least; twice as long at most. */
const GRACE_MS = 5

export type SessionDraft = Omit<RecordDraft, 'session'>

/** The record of a decision that changes nothing, while its answer is on its way. */
export class UnansweredIntent {
  readonly draft: SessionDraft
  /** When it was decided, of the clock that never goes back, in nanoseconds. */
  readonly decidedNs: bigint
  /** Resolves when it is on disk, by itself or with its outcome; null while it waits for that. */
  durable: Promise<void> | null = null
  /** The timer has seen it waiting once. */
  seen = false

  constructor(draft: SessionDraft, decidedNs: bigint) {
    this.draft = draft
    this.decidedNs = decidedNs
  }
}

/**
 * Intents of one session that wait for their outcomes. What is answered at once is recorded whole, decision and outcome in
 * one record, since nothing of it has left by then; an intent whose answer takes longer, or leaves in parts, goes to disk
 * by itself.
 */
export class UnansweredIntents {
  readonly #append: (draft: SessionDraft) => Appended
  /** Nanoseconds of a clock that never goes back. */
  readonly #monotonic: () => bigint
  /** By decision, oldest first; those that are on their way to the disk too, until their outcome comes. */
  readonly #intents = new Map<string, UnansweredIntent>()
  /** A look at them is due. */
  #due = false

  constructor(append: (draft: SessionDraft) => Appended, monotonic: () => bigint) {
    this.#append = append
    this.#monotonic = monotonic
  }

  add(decision: string, intent: UnansweredIntent): void {
    this.#intents.set(decision, intent)
    if (!this.#due) this.#later()
  }

  /** Gives it to who has its outcome; undefined where that decision's intent never waited. */
  take(decision: string): UnansweredIntent | undefined {
    const intent = this.#intents.get(decision)
    this.#intents.delete(decision)
    return intent
  }

  /** Records it by itself unless that has been done. `waited_us`: how much later than its decision its record is. */
  record(intent: UnansweredIntent): Promise<void> {
    const { draft, decidedNs } = intent
    intent.durable ??= this.#append(later(draft, { waited_us: microseconds(decidedNs, this.#monotonic()) })).durable
    return intent.durable
  }

  /** The same for a decision that may have none. */
  recordOf(decision: string): void {
    const intent = this.#intents.get(decision)
    if (intent !== undefined) void this.record(intent)
  }

  /** Nothing waits any longer: the session is about to end. */
  recordAll(): void {
    for (const intent of this.#intents.values()) void this.record(intent)
  }

  #look(): void {
    this.#due = false
    let waiting = false
    for (const intent of this.#intents.values()) {
      if (intent.durable !== null) continue
      if (intent.seen) void this.record(intent)
      else {
        intent.seen = true
        waiting = true
      }
    }
    if (waiting) this.#later()
  }

  #later(): void {
    this.#due = true
    setTimeout(() => this.#look(), GRACE_MS)
  }
}

/** With this in its detail, too. */
export function later(draft: SessionDraft, detail: JsonObject): SessionDraft {
  return { ...draft, detail: { ...draft.detail, ...detail } }
}

export function microseconds(fromNs: bigint, toNs: bigint): number {
  return Number((toNs - fromNs) / 1000n)
}
