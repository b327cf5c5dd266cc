import { UpstreamError } from '../../../../engine/index.ts'
import { type Answer, type HeaderLine, NO_BYTES, type RequestMessage, type ResponseHead } from '../../message.ts'
import { plainLines, requestHead, responseHead } from './heads.ts'
import { answeredByEnvoy } from './own-answer.ts'
import type { Attributes, ProcessingRequest } from './processing-request.ts'
import { answerAtOnce, goOn, headerMutation, type ProcessingResponse } from './processing-response.ts'

/** What became of a request. */
export type Ruling =
  | { readonly kind: 'forward'; readonly decision: string; readonly headers: readonly HeaderLine[]; readonly body: Buffer; readonly gate: Gate }
  | { readonly kind: 'answer'; readonly decision: string | null; readonly answer: Answer }

/** What comes back of one forwarded request; each step is durable when it resolves. */
export interface Gate {
  begin(head: ResponseHead): { readonly kind: 'whole' } | { readonly kind: 'streamed'; readonly head: ResponseHead }
  whole(body: Buffer): Promise<Answer>
  push(chunk: Buffer): Promise<Buffer>
  end(): Promise<void>
  broken(why: string): Promise<void>
  failed(error: UpstreamError): Promise<Answer>
}

/** One request as the plane's core judges it; what it says is durable when it says it. */
export type Judge = (message: RequestMessage, about: Attributes) => Promise<Ruling>

/** Where an exchange stands. */
type Phase = 'request-headers' | 'request-body' | 'response-headers' | 'response-body' | 'response-stream' | 'done'
type Step = 'hold-request' | 'judge-request' | 'own-answer' | 'begin-answer' | 'judge-answer' | 'pass-chunk'

/** What Envoy may send in which phase, and what is then done; anything else ends the exchange with an error. */
const STEPS: Readonly<Record<Phase, Readonly<Partial<Record<ProcessingRequest['kind'], Step>>>>> = {
  'request-headers': { request_headers: 'hold-request', response_headers: 'own-answer' },
  'request-body': { request_body: 'judge-request', response_headers: 'own-answer' },
  'response-headers': { response_headers: 'begin-answer' },
  'response-body': { response_body: 'judge-answer' },
  'response-stream': { response_body: 'pass-chunk' },
  done: {},
}

/** A request comes whole, an answer too unless it may be streamed. Each message is answered by exactly one. */
export class Phases {
  readonly #judge: Judge
  /** Answers of which nothing is masked go as they come. */
  readonly #streams: boolean
  #phase: Phase = 'request-headers'
  #about: Attributes = { source: null, protocol: null, answeredBy: null }
  #requestHeaders: readonly HeaderLine[] = []
  #responseHeaders: readonly HeaderLine[] = []
  #forwarded: Extract<Ruling, { kind: 'forward' }> | null = null
  #released = 0

  constructor(judge: Judge, streams: boolean) {
    this.#judge = judge
    this.#streams = streams
  }

  async take(message: ProcessingRequest): Promise<ProcessingResponse> {
    const step = STEPS[this.#phase][message.kind]
    if (step === undefined) throw new TypeError(`in phase ${this.#phase}: ${message.kind} is not expected`)
    this.#phase = 'done' // until this is dealt with, nothing more is taken
    switch (message.kind) {
      case 'request_headers':
        this.#requestHeaders = message.headers
        this.#about = message.about
        if (message.last) return this.#judgeRequest('request_headers', null)
        this.#phase = 'request-body'
        return goOn('request_headers')
      case 'request_body':
        return this.#judgeRequest('request_body', message.bytes)
      case 'response_headers':
        if (step === 'own-answer') return answerAtOnce(answeredByEnvoy(message.headers), { resp: 'done' })
        return this.#beginAnswer(message)
      case 'response_body':
        if (step === 'pass-chunk') return this.#passChunk(message.bytes, message.last)
        return this.#wholeAnswer('response_body', message.bytes)
      default:
        throw new TypeError(`${message.kind} are never asked for`)
    }
  }

  /** The stream is over: the client or the upstream is gone, or something broke. Safe to call twice. */
  async end(why: string): Promise<void> {
    const unfinished = this.#forwarded
    this.#forwarded = null
    this.#phase = 'done'
    if (unfinished !== null) await unfinished.gate.broken(why)
  }

  async #judgeRequest(part: 'request_headers' | 'request_body', bytes: Buffer | null): Promise<ProcessingResponse> {
    const body = bytes === null ? ({ kind: 'none' } as const) : ({ kind: 'whole', bytes } as const)
    const head = requestHead(this.#requestHeaders, this.#about)
    const ruling = await this.#judge({ head, body }, this.#about)
    if (ruling.kind === 'answer') return answerAtOnce(ruling.answer, { resp: 'done', ...named(ruling.decision) })
    this.#forwarded = ruling
    this.#phase = 'response-headers'
    const change = {
      headers: headerMutation(
        plainLines(this.#requestHeaders),
        bytes === null ? ruling.headers : measured(ruling.headers, ruling.body),
      ),
      ...(bytes === null || ruling.body.equals(bytes) ? {} : { body: ruling.body }),
    }
    return goOn(part, change, { req: 'allow', decision: ruling.decision })
  }

  async #beginAnswer(message: Extract<ProcessingRequest, { kind: 'response_headers' }>): Promise<ProcessingResponse> {
    const { gate, decision } = this.#inHand()
    const { answeredBy } = message.about
    if (answeredBy !== 'via_upstream') {
      this.#forwarded = null
      return answerAtOnce(await gate.failed(upstreamFailure(answeredBy)), { resp: 'done', decision })
    }
    this.#responseHeaders = message.headers
    const begun = gate.begin(responseHead(message.headers))
    if (message.last) return this.#wholeAnswer('response_headers', NO_BYTES)
    if (begun.kind === 'whole' || !this.#streams) {
      this.#phase = 'response-body'
      return goOn('response_headers')
    }
    this.#phase = 'response-stream'
    const headers = headerMutation(plainLines(message.headers), begun.head.headers)
    return { ...goOn('response_headers', { headers }, { resp: 'open', released: 0, decision }), ...STREAMED }
  }

  async #passChunk(bytes: Buffer, last: boolean): Promise<ProcessingResponse> {
    const { gate } = this.#inHand()
    const out = await gate.push(bytes)
    if (last) {
      await gate.end()
      this.#forwarded = null
    } else this.#phase = 'response-stream'
    this.#released += out.length
    return goOn('response_body', out.equals(bytes) ? {} : { body: out }, { released: this.#released })
  }

  async #wholeAnswer(part: 'response_headers' | 'response_body', bytes: Buffer): Promise<ProcessingResponse> {
    const { gate, decision } = this.#inHand()
    const head = responseHead(this.#responseHeaders)
    const answer = await gate.whole(bytes)
    this.#forwarded = null
    const witness = { resp: 'done', decision } as const
    if (answer.status !== head.status || (part === 'response_headers' && answer.body.length > 0))
      return answerAtOnce(answer, witness)
    const change = {
      headers: headerMutation(
        plainLines(this.#responseHeaders),
        part === 'response_headers' ? answer.headers : measured(answer.headers, answer.body),
      ),
      ...(part === 'response_headers' || answer.body.equals(bytes) ? {} : { body: answer.body }),
    }
    return goOn(part, change, witness)
  }

  #inHand(): Extract<Ruling, { kind: 'forward' }> {
    if (this.#forwarded === null) throw new TypeError('nothing was forwarded')
    return this.#forwarded
  }
}

/** This one answer's body goes as it comes; each byte is counted, and the count is looked at (xds/witness-filters.ts). */
const STREAMED = { mode_override: { response_header_mode: 'SEND', response_body_mode: 'STREAMED' } } as const

/** With the length of what is sent: Envoy would send a changed body in chunks, which not every server takes. */
function measured(headers: readonly HeaderLine[], body: Buffer): readonly HeaderLine[] {
  return [...headers.filter(([name]) => name.toLowerCase() !== 'content-length'), ['content-length', String(body.length)]]
}

function named(decision: string | null): { readonly decision?: string } {
  return decision === null ? {} : { decision }
}

/** Envoy answered in the upstream's place. Its words for why stay within the gateway. */
function upstreamFailure(details: string | null): UpstreamError {
  const never = details !== null && /connect|no_healthy|no_cluster|cluster_not_found/.test(details)
  const message = `Envoy got no answer: ${details ?? 'unknown'}`
  return new UpstreamError(never ? 'ERR_UPSTREAM_CONNECT' : 'ERR_UPSTREAM_CLOSED', message)
}
