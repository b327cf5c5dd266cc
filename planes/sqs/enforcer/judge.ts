import type { Decision, FieldMask, Labels, PlaneHost, Principal, Session } from '../../../engine/index.ts'
import {
  type CountersignError,
  decideReturning,
  NormalizeError,
  ObligationError,
  unlessStale,
} from '../../../engine/index.ts'
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

/** One message of an answer: handed out, with masks of its own beside the call's, or not. */
export type Received =
  | { readonly kind: 'shown'; readonly decision: Decision; readonly masks: MessageMasks }
  | { readonly kind: 'withheld'; readonly decision: string }

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
    try {
      return await unlessStale(() => this.#once(subject, asking, patienceMs, onHold))
    } catch (error) {
      if (!isUnjudged(error)) throw error
      return denied(await this.refuse(error, subject.action, asking))
    }
  }

  /** A message that came back, by what is in it. `whole`: the decision on the call that it came with. */
  async received(subject: Subject, whole: Decision, asking: Asking): Promise<Received> {
    try {
      return await unlessStale(() => this.#part(subject, whole, asking))
    } catch (error) {
      if (!isUnjudged(error)) throw error
      return { kind: 'withheld', decision: (await this.#refused(error, subject.action, asking)).id }
    }
  }

  /** Whether policy lets this queue be named in a list. */
  lists(subject: Subject, asking: Asking): boolean {
    return asking.session.allows(this.#request(subject, this.#host.labels(), asking))
  }

  /** Records what can't be named or carried out, and gives the client's answer. */
  async refuse(error: CountersignError, action: string, asking: Asking): Promise<Fault> {
    return faultOfRefusal(error, await this.#refused(error, action, asking))
  }

  #refused({ code, message }: CountersignError, action: string, { session }: Asking): Promise<Decision> {
    return session.refuse({ action: `sqs.${action}`, code, message, block: { statement: action } })
  }

  async #once(subject: Subject, asking: Asking, patienceMs: number, onHold?: () => void): Promise<Judged> {
    const { gone, session } = asking
    let labels = this.#host.labels()
    const request = (): ReturnType<typeof accessRequest> => {
      labels = this.#host.labels()
      return this.#request(subject, labels, asking)
    }
    const { decision, heldUntil, keepUntil } = await decideReturning(session, request, { gone, patienceMs, onHold })
    if (decision.verdict.kind === 'reject' || decision.verdict.kind === 'hold')
      return { ...denied(faultOfDecision(decision)), wasHeld: decision.approval !== null, heldUntil }
    return {
      kind: 'run',
      decision,
      masks: await this.#masks(decision, subject, asking),
      sensitive: subject.queue !== null && labels.resources[subject.queue.arn] !== undefined,
      keepUntil,
    }
  }

  async #part(subject: Subject, whole: Decision, asking: Asking): Promise<Received> {
    const request = this.#request(subject, this.#host.labels(), asking)
    // Its intent becomes durable with its outcome: nothing of the message leaves before that.
    const options = { signal: NEVER, patienceMs: 0, effectFree: true, partOf: whole }
    const decision = await asking.session.decide(request, options)
    const { verdict } = decision
    if (verdict.kind === 'reject' || verdict.kind === 'hold') return { kind: 'withheld', decision: decision.id }
    const over = new Set(fieldsOf(whole).map(({ field, method }) => `${method} ${field}`))
    const own = fieldsOf(decision).filter(({ field, method }) => !over.has(`${method} ${field}`))
    try {
      return { kind: 'shown', decision, masks: this.#over(own, decision, subject) }
    } catch (error) {
      if (!(error instanceof ObligationError)) throw error
      await failed(asking, decision, error)
      return { kind: 'withheld', decision: decision.id }
    }
  }

  /** A mask that no message of this queue can take comes to nothing: the outcome says so, and the call isn't made. */
  async #masks(decision: Decision, subject: Subject, asking: Asking): Promise<MessageMasks> {
    try {
      return this.#over(fieldsOf(decision), decision, subject)
    } catch (error) {
      if (error instanceof ObligationError) await failed(asking, decision, error)
      throw error
    }
  }

  #over(fields: readonly FieldMask[], { id }: Decision, { queue }: Subject): MessageMasks {
    return new MessageMasks(fields, queue?.arn ?? '', noteOf(id), this.#host.maskingKey)
  }

  #request(subject: Subject, labels: Labels, asking: Asking): ReturnType<typeof accessRequest> {
    return accessRequest(subject, labels, { ...asking, nowMs: this.#now() }, (input, parts) =>
      hidden(input, parts, subject.queue?.arn ?? ''),
    )
  }
}

/** Stands in the place of what may not be shown. */
export function noteOf(decision: string): string {
  return `[withheld by policy: decision ${decision}]`
}

export function fieldsOf({ verdict }: Decision): readonly FieldMask[] {
  return verdict.kind === 'mask' ? verdict.fields : []
}

function failed({ session }: Asking, decision: Decision, { code }: ObligationError): Promise<void> {
  return session.settle(decision, { status: 'failed', rows: 0, bytes: 0, masks: [], error: code })
}

/** What no policy has judged: it can't be named, or policies changed all the time. */
function isUnjudged(error: unknown): error is CountersignError {
  return error instanceof NormalizeError || (error instanceof ObligationError && error.code === 'ERR_OBLIGATION_STALE')
}
