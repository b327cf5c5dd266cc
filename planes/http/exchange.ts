import { hash, randomUUID } from 'node:crypto'
import type { PlaneHost } from '../../engine/index.ts'
import {
  IdentityError,
  NormalizeError,
  ObligationError,
  ProtocolError,
  UpstreamError,
  KeptAnswers,
} from '../../engine/index.ts'
import { type Api, apiOf, neverAnswered, neverSent } from './api.ts'
import { AnswerGate } from './enforcer/answer-gate.ts'
import { answerOf, carriedOut, denialOf } from './enforcer/denial.ts'
import { type Caller, Judge, type Judged } from './enforcer/judge.ts'
import { outgoing } from './enforcer/outgoing.ts'
import { type Answer, type RequestBody, type RequestHead, type RequestMessage, soleValue } from './message.ts'
import { mayStream } from './normalizer/body.ts'
import { normalize, type NormalizedRequest } from './normalizer/normalized.ts'
import { refused } from './normalizer/refusal.ts'
import type { Callers } from './session/callers.ts'

export interface ExchangeRooms {
  readonly host: PlaneHost
  readonly callers: Callers
  readonly apis: readonly Api[]
  /** How long a client can wait on a hold. */
  readonly patienceMs: number
  /** Bytes of an answer that is masked. */
  readonly maskedBytes: number
  readonly now: () => number
}

/** A caller with one exchange under way; `leave` when it is over, whatever became of it. */
export interface EnteredCaller extends Caller {
  readonly leave: () => void
}

export type Admitted =
  | { readonly kind: 'caller'; readonly caller: EnteredCaller }
  | { readonly kind: 'answer'; readonly answer: Answer }

/** A request that goes up, exactly so; and what its answer has to pass. */
export interface Forwarded {
  readonly kind: 'forward'
  readonly api: Api
  /** The upstream's authority, and every header that it gets but those of framing. */
  readonly head: RequestHead
  /** `streamed`: the client's bytes, as they come. */
  readonly body: RequestBody
  /** To go on as WebSocket: nothing of the answer is owed. */
  readonly upgrade: 'websocket' | null
  readonly gate: AnswerGate
  /** Its id. */
  readonly decision: string
}

/** `answer`: recorded, and nothing goes up. */
export type RequestJudged = Forwarded | { readonly kind: 'answer'; readonly answer: Answer }

/** Bytes of an approved request's answer that are kept for its next try. */
const KEPT_BYTES = 1024 * 1024

type Running = Extract<Judged, { kind: 'run' }>

/**
 * One request and its answer, between any two sockets: `admit` who asks, `judgeRequest`, then what comes back through its
 * gate. Whatever this gives out is recorded, and durable, before it is given out. Throws EvidenceError and nothing else of ours.
 */
export class Exchange {
  readonly #rooms: ExchangeRooms
  readonly #judge: Judge
  readonly #kept: KeptAnswers<Answer>

  constructor(rooms: ExchangeRooms) {
    this.#rooms = rooms
    this.#judge = new Judge(rooms.host, rooms.now)
    this.#kept = new KeptAnswers(rooms.now)
  }

  /**
   * Who asks, by the head alone: before the body is asked for. `gone` is aborted when the client is. `certificate`: what its
   * TLS connection has proven, for tokens that are bound to one.
   */
  async admit(
    head: RequestHead,
    source: string | null,
    gone: AbortSignal,
    certificate: string | null = null,
  ): Promise<Admitted> {
    try {
      const token = bearerOf(head)
      const client = soleValue(head.headers, 'user-agent')
      const { principal, session, leave } = await this.#rooms.callers.enter(token, { source, client, certificate })
      const caller = { principal, session, source, gone: AbortSignal.any([gone, session.over]), leave }
      return { kind: 'caller', caller }
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error
      return { kind: 'answer', answer: answerOf(denialOf(error), head) }
    }
  }

  /** What the head alone is refused for, before its body is read; null where nothing speaks against it. */
  async refuseHead(head: RequestHead, caller: Caller): Promise<Answer | null> {
    try {
      normalize({ head, body: { kind: 'none' } }, neverSent(apiOf(this.#rooms.apis, head)))
      return null
    } catch (error) {
      return this.#refused(error, head, caller)
    }
  }

  /** A request that could not be read to its end, or is too large. */
  async refuse(error: NormalizeError | ProtocolError, head: RequestHead, caller: Caller): Promise<Answer> {
    return answerOf(await this.#judge.refuse(error, head.method, caller), head)
  }

  async judgeRequest(message: RequestMessage, caller: Caller): Promise<RequestJudged> {
    const { head, body } = message
    try {
      const api = apiOf(this.#rooms.apis, head)
      const request = normalize(message, neverSent(api))
      if (body.kind === 'streamed' && !mayStream(request.headers))
        throw refused(
          'ERR_NORMALIZE_TOO_COMPLEX',
          'the body is larger than what is judged, and of a type that policy looks into',
        )
      const key = onceMade(() => keyOf(api, request, caller))
      const kept = body.kind === 'streamed' || this.#kept.isEmpty ? null : this.#kept.find(key())
      if (kept !== null) return { kind: 'answer', answer: await this.#again(kept, request, caller) }
      return await this.#fresh(key, api, request, caller)
    } catch (error) {
      return { kind: 'answer', answer: await this.#refused(error, head, caller) }
    }
  }

  async #refused(error: unknown, head: RequestHead, caller: Caller): Promise<Answer> {
    const isOurs = error instanceof NormalizeError || error instanceof ProtocolError || error instanceof ObligationError
    if (!isOurs) throw error
    return answerOf(await this.#judge.refuse(error, head.method, caller), head)
  }

  /** The answer of a request that was approved, for who sends it again: nothing happens, and that is recorded. */
  async #again(kept: Promise<Answer>, { head }: NormalizedRequest, { session }: Caller): Promise<Answer> {
    const answer = await kept
    const body = { repeated: head.method, answered: answer.status }
    await session.record({ dir: 'client', kind: 'note', decision: null, body })
    return answer
  }

  /** A request that is held, or was when it last came, is joined by all that are the same until it ends. */
  async #fresh(key: () => string, api: Api, request: NormalizedRequest, caller: Caller): Promise<RequestJudged> {
    const own = Promise.withResolvers<Answer>()
    own.promise.catch(() => undefined) // whoever awaits it sees it; nobody may
    if (!this.#kept.isEmpty && this.#kept.isHeld(key())) this.#kept.waiting(key(), own.promise)
    try {
      // What nobody has seen is bound to nothing: an approval of it counts for this very exchange, and no other joins it.
      const once = request.sent.kind === 'streamed' ? randomUUID() : null
      const onHold = (): void => (once === null ? this.#kept.waiting(key(), own.promise) : undefined)
      const subject = { api: api.name, request, once }
      const judged = await this.#judge.judge(subject, caller, this.#rooms.patienceMs, onHold)
      if (judged.kind === 'run') return await this.#run(key, api, request, judged, caller, own)
      const first = judged.wasHeld ? this.#kept.find(key()) : null // another one used the approval while this one asked
      if (first !== null && first !== own.promise) return { kind: 'answer', answer: await first }
      this.#kept.denied(key(), own.promise, judged.heldUntil)
      const answer = answerOf(judged.denial, request.head)
      own.resolve(answer)
      return { kind: 'answer', answer }
    } catch (error) {
      this.#kept.denied(key(), own.promise, null)
      own.reject(error)
      throw error
    }
  }

  async #run(
    key: () => string,
    api: Api,
    request: NormalizedRequest,
    { decision, masks, keepUntil }: Running,
    caller: Caller,
    own: PromiseWithResolvers<Answer>,
  ): Promise<RequestJudged> {
    if (keepUntil !== null && request.sent.kind !== 'streamed') this.#kept.released(key(), own.promise, keepUntil)
    const gate = new AnswerGate({
      caller,
      decision,
      masks,
      asked: request.head,
      mostBytes: this.#rooms.maskedBytes,
      never: neverAnswered(api),
      onAnswer: (answer, ran) => {
        if (!ran) this.#kept.denied(key(), own.promise, null) // its approval is spent: the next try asks anew
        own.resolve(answer.body.length <= KEPT_BYTES ? answer : answerOf(carriedOut(answer.status), request.head))
      },
      onRefused: () => api.credentials.refused(),
      now: this.#rooms.now,
    })
    try {
      const { head, body } = await outgoing(api, request, masks)
      return { kind: 'forward', api, head, body, upgrade: request.upgrade, gate, decision: decision.id }
    } catch (error) {
      if (error instanceof ObligationError) return { kind: 'answer', answer: await gate.unsent(error) }
      if (error instanceof UpstreamError) return { kind: 'answer', answer: await gate.failed(error) }
      throw error
    }
  }
}

const BEARER = /^Bearer ([A-Za-z0-9._~+/=-]{1,16384})$/i

/** Throws IdentityError. */
function bearerOf({ headers }: RequestHead): string {
  const token = BEARER.exec(soleValue(headers, 'authorization') ?? '')?.[1]
  if (token === undefined)
    throw new IdentityError('ERR_IDENTITY_MALFORMED', 'the request has no bearer token, or several')
  return token
}

/** Most requests are never held, and need no key. */
function onceMade(make: () => string): () => string {
  let made: string | null = null
  return () => (made ??= make())
}

/** The same request by the same principal: what an approval binds. */
function keyOf(
  api: Api,
  { head, target, headers, body }: NormalizedRequest,
  { principal: { issuer, id, kind, act } }: Caller,
): string {
  const key = soleValue(headers, 'idempotency-key')
  const parts = [issuer, id, kind, act, api.name, head.method, target.target, key, body.sha256, body.parts ?? null]
  return hash('sha256', JSON.stringify(parts))
}
