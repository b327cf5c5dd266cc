import type { Principal } from './access-request.ts'
import { IdentityError } from './errors.ts'

/** When a session ends whose principal may not go on. */
export type EndingTime = 'at_once' | 'next_request'

export interface Endings {
  /** When its token is over. */
  readonly expiry: EndingTime
  /** When the token was revoked, or the agent put into quarantine. */
  readonly revocation: EndingTime
}

export const GENTLE: Endings = { expiry: 'next_request', revocation: 'at_once' }

export interface EndRooms {
  readonly revocations?: {
    refusal(principal: Principal): IdentityError | null
    watch(changed: () => void): () => void
  }
  readonly endings?: Endings
  now(): number
}

/** The most that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Whether a session's principal may go on, and the end of it when it may not: recorded first, then told to the plane. A
 * record that can't be written ends the session all the same, as it ends everything.
 */
export class SessionEnd {
  readonly #principal: Principal
  readonly #rooms: EndRooms
  readonly #record: (error: IdentityError) => Promise<void>
  readonly #ended = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #unwatch: (() => void) | undefined
  #firing = false

  constructor(principal: Principal, rooms: EndRooms, record: (error: IdentityError) => Promise<void>) {
    this.#principal = principal
    this.#rooms = rooms
    this.#record = record
    const { expiry, revocation } = rooms.endings ?? GENTLE
    if (revocation === 'at_once') this.#unwatch = rooms.revocations?.watch(() => this.#onRevocation())
    if (expiry === 'at_once') this.#await()
  }

  /** Aborted with the IdentityError when the session is to end. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Why the principal may not go on; null: it may. */
  refusal(): IdentityError | null {
    if (this.#isOver()) {
      return new IdentityError(
        'ERR_IDENTITY_EXPIRED',
        'the token of this session has expired: reconnect with a fresh one',
      )
    }
    return this.#rooms.revocations?.refusal(this.#principal) ?? null
  }

  /** Records why, then tells the plane. */
  async fire(error: IdentityError): Promise<void> {
    if (this.#firing) return
    this.#firing = true
    this.close()
    try {
      await this.#record(error)
    } finally {
      this.#ended.abort(error)
    }
  }

  /** Nobody needs to be told any more. */
  close(): void {
    clearTimeout(this.#timer)
    this.#unwatch?.()
  }

  #isOver(): boolean {
    return this.#rooms.now() >= this.#principal.expires_at * 1000
  }

  #onRevocation(): void {
    const refusal = this.#rooms.revocations?.refusal(this.#principal) ?? null
    // That nobody knows what is revoked holds decisions back; it ends no session, since it may be over in a moment.
    if (refusal !== null && refusal.code !== 'ERR_IDENTITY_UNSURE') this.fire(refusal).catch(() => undefined)
  }

  #await(): void {
    const wait = this.#principal.expires_at * 1000 - this.#rooms.now()
    this.#timer = setTimeout(
      () => {
        if (!this.#isOver()) return this.#await()
        const refusal = this.refusal()
        if (refusal !== null) this.fire(refusal).catch(() => undefined)
      },
      Math.min(Math.max(wait, 0), MAX_TIMEOUT_MS),
    ).unref()
  }
}

/** As a reason of a rejection names it. */
export function ruleOf({ code }: IdentityError): string {
  switch (code) {
    case 'ERR_IDENTITY_EXPIRED':
      return 'token_expired'
    case 'ERR_IDENTITY_QUARANTINED':
      return 'agent_quarantined'
    case 'ERR_IDENTITY_UNSURE':
      return 'revocations_unknown'
    default:
      return 'token_revoked'
  }
}
