import type { AccessRequest } from './access-request.ts'
import { ObligationError } from './errors.ts'
import type { Session } from './plane.ts'
import type { Decision } from './verdict.ts'

/** A policy that is swapped while a request is being judged has it judged again: so often. */
const ATTEMPTS = 3
const NEVER = new AbortController().signal

/** Does it again where the policy was swapped meanwhile. */
export async function unlessStale<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      const isStale = error instanceof ObligationError && error.code === 'ERR_OBLIGATION_STALE'
      if (!isStale || attempt === ATTEMPTS) throw error
    }
  }
}

export interface Waiting {
  /** Aborted when nobody waits any more. */
  readonly gone: AbortSignal
  readonly patienceMs: number
  /** A hold is asked. */
  readonly onHold?: (() => void) | undefined
}

export interface Decided {
  readonly decision: Decision
  /** Its hold is still open then at the latest; null: it waits for nobody. Milliseconds since 1970. */
  readonly heldUntil: number | null
  /** When the approval that released it is over; null where none did. */
  readonly keepUntil: number | null
}

/**
 * Decides a request whose client can't cancel and comes back for what was held. `request` makes it, again after a hold:
 * labels may have changed since.
 */
export async function decideReturning(
  session: Session,
  request: () => AccessRequest,
  { gone, patienceMs, onHold }: Waiting,
): Promise<Decided> {
  let expires: number | null = null
  const decision = await session.decide(request(), {
    signal: NEVER,
    gone,
    patienceMs,
    onHold: (notice) => {
      expires = Date.parse(notice.expires)
      onHold?.()
    },
    again: () => Promise.resolve(request()),
  })
  return {
    decision,
    heldUntil: decision.verdict.kind === 'hold' ? expires : null,
    keepUntil: decision.approval === null ? null : expires,
  }
}
