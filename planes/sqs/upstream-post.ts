import { Agent, type Dispatcher } from 'undici'
import { CountersignError, UpstreamError } from '../../engine/index.ts'

/** An answer of the service, whole. */
export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

/** A poll of SQS takes 20 s at most; a service that is silent for longer than this is not there. */
const SILENCE_MS = 35_000
const CONNECT_MS = 5000
/** Ten messages of 1 MiB, base64 and JSON escapes around them. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** Connections to the service, kept open and bounded in time. */
export class UpstreamConnections {
  readonly #origin: string
  readonly #agent: Agent

  constructor(origin: string, ca: string | null) {
    this.#origin = origin
    this.#agent = new Agent({
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      connect: { timeout: CONNECT_MS, ...(ca === null ? {} : { ca }) },
    })
  }

  /**
   * Sends one request once and resolves with the whole answer; `gone` breaks it off. Throws UpstreamError, whose code tells
   * whether it was sent at all.
   */
  post(headers: readonly (readonly [string, string])[], body: string, gone: AbortSignal | null): Promise<Received> {
    const { promise, resolve, reject } = Promise.withResolvers<Received>()
    if (gone?.aborted === true) return Promise.reject(unreachable(gone.reason))
    const chunks: Buffer[] = []
    let [bytes, status] = [0, 0]
    let answered: Received['headers'] = {}
    let sending: Dispatcher.DispatchController | null = null
    const breakOff = (): void => sending?.abort(new Error('the client is gone'))
    const ended = (): void => gone?.removeEventListener('abort', breakOff)
    gone?.addEventListener('abort', breakOff)
    const request = { origin: this.#origin, path: '/', method: 'POST' as const, headers: headers.flat(), body }
    this.#agent.dispatch(request, {
      onRequestStart: (controller) => {
        sending = controller
        if (gone?.aborted === true) breakOff() // while it waited for a connection
      },
      onResponseStart: (_controller, code, head) => {
        status = code
        answered = head
      },
      onResponseData: (controller, chunk) => {
        bytes += chunk.length
        if (bytes > MAX_ANSWER_BYTES) controller.abort(tooLarge())
        else chunks.push(chunk)
      },
      onResponseEnd: () => {
        ended()
        const [first] = chunks
        resolve({ status, headers: answered, body: chunks.length === 1 && first ? first : Buffer.concat(chunks) })
      },
      onResponseError: (_controller, cause) => {
        ended()
        reject(cause instanceof CountersignError ? cause : unreachable(cause))
      },
    })
    return promise
  }

  /** Breaks off what is under way. */
  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

function tooLarge(): UpstreamError {
  return new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the queue service answered with more than any answer holds')
}

/** Nothing was sent where there was no connection; of anything else nobody can tell whether it took effect. */
function unreachable(cause: unknown): UpstreamError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : ''
  const refused = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'UND_ERR_CONNECT_TIMEOUT'
  return refused
    ? new UpstreamError('ERR_UPSTREAM_CONNECT', 'the queue service can’t be reached', { cause, retryable: true })
    : new UpstreamError('ERR_UPSTREAM_CLOSED', 'the queue service broke off before it answered', { cause })
}
