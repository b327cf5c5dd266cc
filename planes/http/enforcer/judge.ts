import type { Decision, Labels, PlaneHost, Principal, Session } from '../../../engine/index.ts'
import {
  CountersignError,
  decideReturning,
  NormalizeError,
  ObligationError,
  unlessStale,
} from '../../../engine/index.ts'
import { accessRequest, type Subject } from '../normalizer/access.ts'
import { denialOfDecision, denialOfRefusal, type Denial } from './denial.ts'
import { hiddenBody } from './hidden-body.ts'
import { NO_ALIASES } from './mask-plan.ts'
import { ExchangeMasks } from './masks.ts'

/** Who asks. */
export interface Caller {
  readonly principal: Principal
  readonly session: Session
  readonly source: string | null
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal
}

export type Judged =
  | {
      readonly kind: 'denied'
      readonly denial: Denial
      /** It was held, and is denied by what became of that; `heldUntil`: it still waits, until then. */
      readonly wasHeld: boolean
      readonly heldUntil: number | null
    }
  | {
      readonly kind: 'run'
      readonly decision: Decision
      readonly masks: ExchangeMasks
      /** When the approval that released it is over, milliseconds since 1970; null where none did. */
      readonly keepUntil: number | null
    }

function denied(denial: Denial): Extract<Judged, { kind: 'denied' }> {
  return { kind: 'denied', denial, wasHeld: false, heldUntil: null }
}

/** Asks the engine, and makes a denial of what isn't allowed. */
export class Judge {
  readonly #host: PlaneHost
  readonly #now: () => number

  constructor(host: PlaneHost, now: () => number) {
    this.#host = host
    this.#now = now
  }

  /** `patienceMs`: how long the client can wait on a hold. `onHold` is told as soon as one is asked. */
  async judge(subject: Subject, caller: Caller, patienceMs: number, onHold: () => void): Promise<Judged> {
    try {
      return await unlessStale(() => this.#once(subject, caller, patienceMs, onHold))
    } catch (error) {
      if (error instanceof NormalizeError || error instanceof ObligationError)
        return denied(await this.refuse(error, subject.request.head.method, caller))
      throw error
    }
  }

  /** Records what can't be named or carried out, and gives the client's answer. Nothing of the client's is in the record. */
  async refuse(error: CountersignError, method: string, { session }: Caller): Promise<Denial> {
    const known = /^[A-Z-]{1,41}$/.test(method) ? method : 'unknown'
    const decision = await session.refuse({
      action: `http.${known}`,
      code: error.code,
      message: error.message,
      block: { statement: known },
    })
    return denialOfRefusal(error, decision)
  }

  async #once(subject: Subject, caller: Caller, patienceMs: number, onHold: () => void): Promise<Judged> {
    let names: readonly string[] = []
    const request = (): ReturnType<typeof accessRequest> => {
      const made = this.#request(subject, this.#host.labels(), caller)
      names = made.resources.map(({ name }) => name)
      return made
    }
    const { gone, session } = caller
    const { decision, heldUntil, keepUntil } = await decideReturning(session, request, { gone, patienceMs, onHold })
    if (decision.verdict.kind === 'reject' || decision.verdict.kind === 'hold')
      return { ...denied(denialOfDecision(decision)), wasHeld: decision.approval !== null, heldUntil }
    return { kind: 'run', decision, masks: await this.#masks(decision, names, subject, caller), keepUntil }
  }

  /** A mask that nothing of the exchange can take: the outcome says so, and nothing is sent up. */
  async #masks(decision: Decision, names: readonly string[], subject: Subject, caller: Caller): Promise<ExchangeMasks> {
    const fields = decision.verdict.kind === 'mask' ? decision.verdict.fields : []
    try {
      return new ExchangeMasks(fields, names, subject.request.graphql?.aliases ?? NO_ALIASES, this.#host.maskingKey)
    } catch (error) {
      if (error instanceof ObligationError)
        await caller.session.settle(decision, { status: 'failed', rows: 0, bytes: 0, masks: [], error: error.code })
      throw error
    }
  }

  #request(subject: Subject, labels: Labels, caller: Caller): ReturnType<typeof accessRequest> {
    return accessRequest(subject, labels, { ...caller, nowMs: this.#now() }, hiddenBody)
  }
}
