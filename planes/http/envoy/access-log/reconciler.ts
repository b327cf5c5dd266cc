import type { AccessLogEntry } from './entry.ts'

/** What should never be: an alarm each. */
export interface Finding {
  readonly kind: /** It went upstream, and no gateway had allowed it. */
    | 'undecided'
    /** It went upstream on a decision that this gateway has not made, or not to let it through. */
    | 'unknown_decision'
    /** One decision, two exchanges. */
    | 'repeated_decision'
    /** It was let through, and Envoy never told what came of it. */
    | 'unlogged'
  readonly decision: string | null
}

/** Envoy tells of an exchange when it is over; what it has not told so long after, it won't. */
const PATIENCE_MS = 60_000
/** Decisions whose entries have come, kept to know a second one. */
const REMEMBERED = 10_000

/**
 * Envoy's own account of what went up, held against what this gateway has allowed. Entries that other gateways decided on
 * are theirs to judge. Pure: it is told the time.
 */
export class Reconciler {
  readonly #by: string
  /** Allowed and not yet told of; when the exchange ended, milliseconds since 1970, null while it runs. */
  readonly #open = new Map<string, number | null>()
  readonly #told = new Set<string>()

  /** `by`: the name that this gateway gives itself in what it says to Envoy. */
  constructor(by: string) {
    this.#by = by
  }

  allowed(decision: string): void {
    this.#open.set(decision, null)
  }

  ended(decision: string, nowMs: number): void {
    if (this.#open.has(decision)) this.#open.set(decision, nowMs)
  }

  take({ wentUp, allowed, decision, by }: AccessLogEntry): Finding | null {
    if (wentUp && !allowed) return { kind: 'undecided', decision }
    if (decision === null || !allowed || by !== this.#by) return null
    if (this.#told.has(decision)) return { kind: 'repeated_decision', decision }
    if (!this.#open.delete(decision)) return { kind: 'unknown_decision', decision }
    this.#remember(decision)
    return null
  }

  /** Those that are overdue, each once. */
  overdue(nowMs: number): readonly Finding[] {
    const late = [...this.#open].flatMap(([decision, ended]) =>
      ended !== null && nowMs - ended > PATIENCE_MS ? [decision] : [],
    )
    for (const decision of late) this.#open.delete(decision)
    return late.map((decision) => ({ kind: 'unlogged', decision }))
  }

  #remember(decision: string): void {
    this.#told.add(decision)
    if (this.#told.size <= REMEMBERED) return
    for (const oldest of this.#told) {
      this.#told.delete(oldest)
      break
    }
  }
}
