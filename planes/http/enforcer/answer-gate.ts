import type { Decision, Outcome, UpstreamError } from '../../../engine/index.ts'
import { IdentityError, ObligationError } from '../../../engine/index.ts'
import { type Answer, type HeaderLine, mediaType, NO_BYTES, type RequestHead, type ResponseHead } from '../message.ts'
import { EVENTS_TYPE } from '../normalizer/body.ts'
import { answerHeaders, hasNoBody } from './answer-head.ts'
import { answerOf, carriedOut, type Denial, denialOf, withheld } from './denial.ts'
import type { Caller } from './judge.ts'
import type { ExchangeMasks } from './masks.ts'
import { maskBody } from './body-masker.ts'
import { RecordedAnswer } from './recorded-answer.ts'
import { StreamMasker } from './stream-masker.ts'

/** How an answer's body is let out, by its head. */
export type Begun =
  /** All of it first: then `whole`. No more than `most` bytes: beyond them `tooLarge`. */
  | { readonly kind: 'whole'; readonly most: number }
  /** As it comes: each piece through `push`, then `end`. `length`: where the client is to be told how much there will be. */
  | { readonly kind: 'streamed'; readonly head: ResponseHead; readonly length: number | null }

export interface GateRooms {
  readonly caller: Caller
  readonly decision: Decision
  readonly masks: ExchangeMasks
  readonly asked: RequestHead
  /** Bytes of a body that is masked. */
  readonly mostBytes: number
  /** Headers of the upstream's that no client of this API gets. */
  readonly never: ReadonlySet<string>
  /** Told the whole answer: for who sends an approved request again. `ran`: the upstream may have carried it out. */
  readonly onAnswer: (answer: Answer, ran: boolean) => void
  /** Told that the API doesn't take the gateway's credentials. */
  readonly onRefused: () => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The most that a timer can wait. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const SWITCHED = 101

/** A body of this length or less is recorded and let out in one step. */
const SMALL_BYTES = 64 * 1024

/**
 * What comes back of one forwarded request. No byte leaves before it is masked and recorded, none when the caller may not go
 * on any more, and no end before the outcome is on disk. Exactly one of `whole`, `end`, `failed`, `broken`, `tooLarge` ends it; each is durable when it resolves.
 */
export class AnswerGate {
  readonly #rooms: GateRooms
  #recorded: RecordedAnswer | null = null
  #head: ResponseHead | null = null
  #masker: StreamMasker | null = null
  /** It has no end of its own (events, WebSocket): it ends with the caller's token, even where other answers may go on. */
  #isEndless = false

  constructor(rooms: GateRooms) {
    this.#rooms = rooms
  }

  /** The final response's head, as the upstream sent it. */
  begin(head: ResponseHead): Begun {
    const { masks, mostBytes, asked, onRefused } = this.#rooms
    this.#head = head
    this.#isEndless = head.status === SWITCHED || mediaType(head.headers) === EVENTS_TYPE
    if (head.status === 401) onRefused()
    const owed = !masks.answered.isEmpty && !hasNoBody(head, asked)
    this.#masker = owed ? StreamMasker.of(head.headers, masks.answered, mostBytes) : null
    if (owed && this.#masker === null) return { kind: 'whole', most: mostBytes }
    const length = lengthOf(head)
    const isBodyless = hasNoBody(head, asked) && head.status !== SWITCHED
    const isSmall = isBodyless || (length !== null && length <= SMALL_BYTES)
    if (isSmall) return { kind: 'whole', most: SMALL_BYTES }
    const shown = this.#shownHead(head)
    this.#recorded = this.#record(shown)
    return { kind: 'streamed', head: shown, length: owed ? null : length }
  }

  /** Why no more of it may go: the caller's token is over or was revoked; null: it may. */
  get over(): IdentityError | null {
    const { caller, now } = this.#rooms
    const reason: unknown = caller.gone.aborted ? caller.gone.reason : null
    if (reason instanceof IdentityError) return reason
    if (!this.#isEndless || now() < caller.principal.expires_at * 1000) return null
    return new IdentityError('ERR_IDENTITY_EXPIRED', 'the token of this answer has expired: ask again with a fresh one')
  }

  /** Calls `cut` when nobody waits for the answer any more, or no more of it may go; what it gives ends that. */
  onOver(cut: () => void): () => void {
    const { caller, now } = this.#rooms
    const left = caller.principal.expires_at * 1000 - now()
    const timer = this.#isEndless ? setTimeout(cut, Math.min(Math.max(left, 0), MAX_TIMEOUT_MS)).unref() : undefined
    caller.gone.addEventListener('abort', cut)
    if (caller.gone.aborted) cut()
    return () => {
      clearTimeout(timer)
      caller.gone.removeEventListener('abort', cut)
    }
  }

  /** A body that came whole: what the client gets. */
  async whole(body: Buffer, trailers: readonly HeaderLine[] = []): Promise<Answer> {
    const head = this.#head ?? { status: 502, headers: [] }
    const { masks, asked } = this.#rooms
    const owed = !masks.answered.isEmpty && !hasNoBody(head, asked)
    const { over } = this
    if (over !== null) return this.failed(over)
    try {
      const shown = owed ? maskBody(head.headers, body, masks.answered) : body
      if (owed && trailers.length > 0) throw trailersRefused()
      const answer = { ...this.#shownHead(head), body: shown, trailers: masks.headers(trailers, 'answer') }
      await this.#recordWhole(answer)
      this.#rooms.onAnswer(answer, true)
      return answer
    } catch (error) {
      if (error instanceof ObligationError) return this.#withhold(error)
      throw error
    }
  }

  /**
   * What of a streamed body may go now. Throws ObligationError, once that is recorded, and IdentityError, which `broken` records:
   * nothing more may go then.
   */
  push(chunk: Buffer): Promise<Buffer> {
    return this.#letOut((masker) => masker?.push(chunk) ?? chunk)
  }

  /** A streamed body has come to its end: what is left of it; the client may be told so when it resolves. As `push`. */
  async end(): Promise<Buffer> {
    const rest = await this.#letOut((masker) => masker?.end() ?? NO_BYTES)
    await this.#close('ok', null)
    this.#tell(carriedOut(this.#head?.status ?? 502))
    return rest
  }

  async #letOut(masked: (masker: StreamMasker | null) => Buffer): Promise<Buffer> {
    const { over } = this
    if (over !== null) throw over
    try {
      const shown = masked(this.#masker)
      const frames = shown.length === 0 ? [] : (this.#recorded?.add(shown) ?? [])
      await Promise.all(frames.map((body) => this.#frame(body)))
      return shown
    } catch (error) {
      if (error instanceof ObligationError) await this.#withhold(error)
      throw error
    }
  }

  /** What stands behind a streamed body, as the client gets it. */
  trailers(lines: readonly HeaderLine[]): readonly HeaderLine[] {
    return this.#rooms.masks.headers(lines, 'answer')
  }

  /** It ended in the middle: the client or the upstream went away, or the caller may not go on, which counts before any other reason. */
  async broken(why: string): Promise<void> {
    await this.#close('unknown', this.over?.code ?? why)
    this.#tell(carriedOut(this.#head?.status ?? 502))
  }

  /** A body larger than what is masked. */
  tooLarge(): Promise<Answer> {
    const message = `policy has something of this answer masked, and it is larger than the ${this.#rooms.mostBytes} bytes that are masked at once`
    return this.#withhold(new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', message))
  }

  /** The request can't be masked, so nothing of it was sent. */
  async unsent(error: ObligationError): Promise<Answer> {
    const { caller, decision, asked } = this.#rooms
    await caller.session.settle(decision, this.#outcome('failed', 0, error.code))
    const answer = answerOf({ ...denialOf(error), decision: decision.id }, asked)
    this.#rooms.onAnswer(answer, false)
    return answer
  }

  /** There is no answer, none that can be read, or nobody may have it any more. */
  async failed(cause: UpstreamError | IdentityError): Promise<Answer> {
    const { caller, decision, asked } = this.#rooms
    const error = this.over ?? cause
    const isUnsent = UNSENT.has(cause.code)
    await caller.session.settle(decision, this.#outcome(isUnsent ? 'failed' : 'unknown', 0, error.code))
    const answer = answerOf({ ...denialOf(error), decision: decision.id }, asked)
    this.#rooms.onAnswer(answer, !isUnsent)
    return answer
  }

  async #withhold(why: ObligationError): Promise<Answer> {
    const { caller, decision, asked } = this.#rooms
    const alarm = caller.session.failedClosed(why)
    await Promise.all([alarm, caller.session.settle(decision, this.#outcome('ok', 0, why.code))])
    const answer = answerOf(withheld(why, decision.id), asked)
    this.#rooms.onAnswer(answer, true)
    return answer
  }

  #tell(denial: Omit<Denial, 'decision'>): void {
    const { asked, decision, onAnswer } = this.#rooms
    onAnswer(answerOf({ ...denial, decision: decision.id }, asked), true)
  }

  #shownHead(head: ResponseHead): ResponseHead {
    const { masks, never, decision, asked } = this.#rooms
    const changed = !masks.answered.isEmpty
    const kept = answerHeaders(head.headers, { changed, bodyless: hasNoBody(head, asked), never })
    return { status: head.status, headers: [...masks.headers(kept, 'answer'), ['x-decision-id', decision.id]] }
  }

  /** Frames and outcome are queued together and share one write to the disk. */
  async #recordWhole(answer: Answer): Promise<void> {
    const recorded = this.#record(answer)
    const frames = recorded.add(answer.body)
    const last = { kind: KIND, body: recorded.end(answer.status, null) }
    const outcome = this.#outcome('ok', answer.body.length, answer.status >= 400 ? String(answer.status) : null)
    const { caller, decision } = this.#rooms
    await Promise.all([...frames.map((body) => this.#frame(body)), caller.session.settle(decision, outcome, last)])
  }

  async #close(status: Outcome['status'], broken: string | null): Promise<void> {
    const { caller, decision } = this.#rooms
    const code = this.#head?.status ?? 502
    const error = broken ?? (code >= 400 ? String(code) : null)
    const outcome = this.#outcome(status, this.#recorded?.bytes ?? 0, error)
    const last = this.#recorded === null ? undefined : { kind: KIND, body: this.#recorded.end(code, broken) }
    await caller.session.settle(decision, outcome, last)
  }

  #record(head: ResponseHead): RecordedAnswer {
    const { verdict } = this.#rooms.decision
    return new RecordedAnswer(head, verdict.kind === 'mask' ? verdict.fields : [])
  }

  #frame(body: ReturnType<RecordedAnswer['end']>): Promise<void> {
    const { caller, decision } = this.#rooms
    return caller.session.record({ dir: 'upstream', kind: KIND, decision: decision.id, body })
  }

  #outcome(status: Outcome['status'], bytes: number, error: string | null): Outcome {
    return { status, rows: null, bytes, masks: this.#rooms.masks.counts, error }
  }
}

/** Of what is recorded of an answer. */
const KIND = 'http.response'

/** Nothing of the request has left the gateway. */
const UNSENT: ReadonlySet<string> = new Set(['ERR_UPSTREAM_CONNECT', 'ERR_UPSTREAM_AUTH', 'ERR_UPSTREAM_TLS'])

function lengthOf({ headers }: ResponseHead): number | null {
  const written = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return written !== undefined && /^\d{1,15}$/.test(written) ? Number(written) : null
}

function trailersRefused(): ObligationError {
  return new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    'the answer has trailers, and policy has something of it masked',
  )
}
