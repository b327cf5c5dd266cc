import { ProtocolError, UpstreamError } from '../../../../engine/index.ts'
import type { EnteredCaller, Exchange, Forwarded } from '../../exchange.ts'
import { type Answer, type HeaderLine, NO_BYTES, type RequestBody, type RequestHead, soleValue } from '../../message.ts'
import { mayStream } from '../../normalizer/body.ts'
import { plainLines, requestHead, responseHead } from './heads.ts'
import { answeredByEnvoy } from './own-answer.ts'
import type { ProcessingRequest } from './processing-request.ts'
import { answerAtOnce, goOn, headerMutation, type ProcessingResponse } from './processing-response.ts'

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

/** What all exchanges of a gateway have in common. */
export interface Manner {
  /** Answers of which nothing is masked go as they come. */
  readonly streams: boolean
  /** Bytes of a request's body that policy judges; larger ones of types that it can't look into go up unread. */
  readonly judgedBytes: number
  /** This gateway's name in what it says to Envoy. */
  readonly by: string
  /** A decision let a request through; and its exchange is over. */
  readonly allowed: (decision: string) => void
  readonly ended: (decision: string) => void
}

/** A request comes whole, an answer too unless it may be streamed. Each message is answered by exactly one. */
export class Phases {
  readonly #exchange: Exchange
  readonly #gone: AbortSignal
  readonly #manner: Manner
  #phase: Phase = 'request-headers'
  #head: RequestHead | null = null
  #requestHeaders: readonly HeaderLine[] = []
  #responseHeaders: readonly HeaderLine[] = []
  #caller: EnteredCaller | null = null
  #forwarded: Forwarded | null = null
  /** That let the request through. */
  #decision: string | null = null
  #released = 0

  /** `gone` is aborted when nobody waits for the answer any more. */
  constructor(exchange: Exchange, gone: AbortSignal, manner: Manner) {
    this.#exchange = exchange
    this.#gone = gone
    this.#manner = manner
  }

  async take(message: ProcessingRequest): Promise<ProcessingResponse> {
    const step = STEPS[this.#phase][message.kind]
    if (step === undefined) throw new TypeError(`in phase ${this.#phase}: ${message.kind} is not expected`)
    this.#phase = 'done' // until this is dealt with, nothing more is taken
    switch (message.kind) {
      case 'request_headers':
        return this.#beginRequest(message)
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
    const [unfinished, caller] = [this.#forwarded, this.#caller]
    this.#forwarded = null
    this.#caller = null
    this.#phase = 'done'
    try {
      if (unfinished !== null) await unfinished.gate.broken(why)
    } finally {
      caller?.leave()
      if (this.#decision !== null) this.#manner.ended(this.#decision)
      this.#decision = null
    }
  }

  async #beginRequest(message: Extract<ProcessingRequest, { kind: 'request_headers' }>): Promise<ProcessingResponse> {
    const head = requestHead(message.headers, message.about)
    this.#head = head
    this.#requestHeaders = message.headers
    const admitted = await this.#exchange.admit(head, message.about.source, this.#gone)
    if (admitted.kind === 'answer') return refused(admitted.answer)
    this.#caller = admitted.caller
    if (message.last) return this.#judgeRequest('request_headers', null)
    const refusal = await this.#exchange.refuseHead(head, admitted.caller)
    if (refusal !== null) return refused(refusal)
    this.#phase = 'request-body'
    return goOn('request_headers')
  }

  async #judgeRequest(part: 'request_headers' | 'request_body', bytes: Buffer | null): Promise<ProcessingResponse> {
    const [head, caller] = [this.#head, this.#caller]
    if (head === null || caller === null) throw new TypeError('nobody was admitted')
    const body = this.#bodyOf(head, bytes)
    if (body === null) return refused(await this.#exchange.refuse(tooLarge(this.#manner.judgedBytes), head, caller))
    const judged = await this.#exchange.judgeRequest({ head, body }, caller)
    if (judged.kind === 'answer') return refused(judged.answer)
    this.#forwarded = judged
    if (judged.upgrade !== null) throw new TypeError('an upgrade was offered where Envoy takes none')
    const sent = judged.body.kind === 'whole' ? judged.body.bytes : (bytes ?? NO_BYTES)
    this.#phase = 'response-headers'
    const change = {
      headers: headerMutation(
        plainLines(this.#requestHeaders),
        bytes === null ? judged.head.headers : measured(judged.head.headers, sent),
      ),
      ...(bytes === null || sent.equals(bytes) ? {} : { body: sent }),
    }
    const { by, allowed } = this.#manner
    allowed(judged.decision)
    this.#decision = judged.decision
    return goOn(part, change, { req: 'allow', api: judged.api.name, decision: judged.decision, by })
  }

  /** null: it is larger than what is judged, and of a type that policy looks into. */
  #bodyOf({ headers }: RequestHead, bytes: Buffer | null): RequestBody | null {
    if (bytes === null) return { kind: 'none' }
    if (bytes.length <= this.#manner.judgedBytes) return { kind: 'whole', bytes }
    return mayStream(headers) ? { kind: 'streamed', declared: bytes.length } : null
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
    if (begun.kind === 'whole' || !this.#manner.streams) {
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

  #inHand(): Forwarded {
    if (this.#forwarded === null) throw new TypeError('nothing was forwarded')
    return this.#forwarded
  }
}

/** This one answer's body goes as it comes; each byte is counted, and the count is looked at (xds/witness-filters.ts). */
const STREAMED = { mode_override: { response_header_mode: 'SEND', response_body_mode: 'STREAMED' } } as const

/** With the length of what is sent: Envoy would send a changed body in chunks, which not every server takes. */
function measured(headers: readonly HeaderLine[], body: Buffer): readonly HeaderLine[] {
  return [
    ...headers.filter(([name]) => name.toLowerCase() !== 'content-length'),
    ['content-length', String(body.length)],
  ]
}

function tooLarge(judgedBytes: number): ProtocolError {
  const message = `the body is larger than the ${judgedBytes} bytes that are judged, and of a type that policy looks into`
  return new ProtocolError('ERR_PROTOCOL_FRAME_LENGTH', message)
}

/** An answer in place of the upstream's; it tells its decision, if there was one. */
function refused(answer: Answer): ProcessingResponse {
  const decision = soleValue(answer.headers, 'x-decision-id')
  return answerAtOnce(answer, { resp: 'done', ...(decision === null ? {} : { decision }) })
}

/** Envoy answered in the upstream's place. Its words for why stay within the gateway. */
function upstreamFailure(details: string | null): UpstreamError {
  const never = details !== null && /connect|no_healthy|no_cluster|cluster_not_found/.test(details)
  const message = `Envoy got no answer: ${details ?? 'unknown'}`
  return new UpstreamError(never ? 'ERR_UPSTREAM_CONNECT' : 'ERR_UPSTREAM_CLOSED', message)
}
