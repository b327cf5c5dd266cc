import type { Decision, Labels, PlaneHost, Principal, Session } from '../../../engine/index.ts'
import { CountersignError, NormalizeError, ObligationError } from '../../../engine/index.ts'
import type { Fault } from '../codec/call.ts'
import { accessRequest, type Subject } from '../normalizer/access.ts'
import { faultOfDecision, faultOfRefusal } from './denial.ts'
import { MessageMasks } from './masking.ts'
import { hidden } from './rewriting.ts'

/** Who asks, over which connection. */
export interface Asking {
  readonly principal: Principal
  readonly session: Session
  readonly source: string | null
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal
}

export type Judged =
  | {
      readonly kind: 'denied'
      readonly fault: Fault
      /** It was held, and is denied by what became of that; `heldUntil`: it still waits, until then. */
      readonly wasHeld: boolean
      readonly heldUntil: number | null
    }
  | {
      readonly kind: 'run'
      readonly decision: Decision
      readonly masks: MessageMasks
      /** The queue has labels: text of the service's own that could quote a message is withheld. */
      readonly sensitive: boolean
      /** When the approval that released it is over, milliseconds since 1970; null where none did. */
      readonly keepUntil: number | null
    }

/** A policy that is swapped while a request is being judged has it judged again: so often. */
const ATTEMPTS = 3
const NEVER = new AbortController().signal

function denied(fault: Fault): Extract<Judged, { kind: 'denied' }> {
  return { kind: 'denied', fault, wasHeld: false, heldUntil: null }
}

/** Asks the engine about one subject after the other, and makes the client's answer of what isn't allowed. */
export class Judge {
  readonly #host: PlaneHost
  readonly #now: () => number

  constructor(host: PlaneHost, now: () => number) {
    this.#host = host
    this.#now = now
  }

  /** `patienceMs`: how long the client can wait on a hold. `onHold` is told as soon as one is asked. */
  async judge(subject: Subject, asking: Asking, patienceMs: number, onHold?: () => void): Promise<Judged> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(subject, asking, patienceMs, onHold)
      } catch (error) {
        const stale = error instanceof ObligationError && error.code === 'ERR_OBLIGATION_STALE'
        if (stale && attempt < ATTEMPTS) continue
        if (stale || error instanceof NormalizeError) return denied(await this.refuse(error, subject.action, asking))
        throw error
      }
    }
  }

  /** Records what can't be named or carried out, and gives the client's answer. */
  async refuse(error: CountersignError, action: string, { session }: Asking): Promise<Fault> {
    const decision = await session.refuse({
      action: `sqs.${action}`,
      code: error.code,
      message: error.message,
      block: { statement: action },
    })
    return faultOfRefusal(error, decision)
  }

  async #once(subject: Subject, asking: Asking, patienceMs: number, onHold?: () => void): Promise<Judged> {
    const labels = this.#host.labels()
    let expires: number | null = null
    const decision = await asking.session.decide(this.#request(subject, labels, asking), {
      signal: NEVER,
      gone: asking.gone,
      patienceMs,
      onHold: (notice) => {
        expires = Date.parse(notice.expires)
        onHold?.()
      },
      again: () => Promise.resolve(this.#request(subject, this.#host.labels(), asking)),
    })
    const { verdict } = decision
    if (verdict.kind === 'reject' || verdict.kind === 'hold')
      return {
        ...denied(faultOfDecision(decision)),
        wasHeld: decision.approval !== null,
        heldUntil: verdict.kind === 'hold' ? expires : null,
      }
    return {
      kind: 'run',
      decision,
      masks: await this.#masks(decision, subject, asking),
      sensitive: subject.queue !== null && labels.resources[subject.queue.arn] !== undefined,
      keepUntil: decision.approval === null ? null : expires,
    }
  }

  /** A mask that no message of this queue can take comes to nothing: the outcome says so, and the call isn't made. */
  async #masks(decision: Decision, { queue }: Subject, { session }: Asking): Promise<MessageMasks> {
    const fields = decision.verdict.kind === 'mask' ? decision.verdict.fields : []
    const note = `[withheld by policy: decision ${decision.id}]`
    try {
      return new MessageMasks(fields, queue?.arn ?? '', note)
    } catch (error) {
      if (error instanceof ObligationError)
        await session.settle(decision, { status: 'failed', rows: 0, bytes: 0, masks: [], error: error.code })
      throw error
    }
  }

  #request(subject: Subject, labels: Labels, asking: Asking): ReturnType<typeof accessRequest> {
    return accessRequest(subject, labels, { ...asking, nowMs: this.#now() }, (input, parts) =>
      hidden(input, parts, subject.queue?.arn ?? ''),
    )
  }
}
