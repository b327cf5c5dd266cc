import { Agent, buildConnector, errors } from 'undici'
import type { Readable } from 'node:stream'
import { UpstreamError } from '../../../engine/index.ts'
import type { Api } from '../api.ts'
import { type HeaderLine, headerLines, type RequestHead, type ResponseHead } from '../message.ts'

export interface UpstreamAnswer {
  readonly head: ResponseHead
  readonly body: Readable
  /** Once the body has ended. */
  readonly trailers: () => readonly HeaderLine[]
}

const CONNECT_MS = 5000

/** The APIs behind the gateway, over connections of its own. */
export class Upstreams {
  readonly #answerMs: number
  readonly #agents = new Map<Api, Agent>()

  /** `answerMs`: how long an API may be silent. */
  constructor(answerMs: number) {
    this.#answerMs = answerMs
  }

  /** Sends once: a second attempt is the client's to make. Throws UpstreamError. */
  async send(
    api: Api,
    head: RequestHead,
    body: Buffer | Readable | null,
    declared: number | null,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    const options = {
      origin: api.origin.origin,
      path: head.target,
      method: head.method,
      headers: rawHeaders(head, declared),
      body,
      signal,
      responseHeaders: 'raw',
    } as const
    try {
      const answer = await this.#agentOf(api).request(options)
      // By `raw` they are pairs in one list; the type knows only of objects.
      const raw: unknown = answer.headers
      const headers = headerLines(Array.isArray(raw) ? raw.map(String) : [])
      return {
        head: { status: answer.statusCode, headers },
        body: answer.body,
        trailers: () => Object.entries(answer.trailers).flatMap(([name, value]): HeaderLine[] => [[name, value]]),
      }
    } catch (cause) {
      throw upstreamError(cause)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#agents.values()].map((agent) => agent.destroy()))
  }

  #agentOf(api: Api): Agent {
    const known = this.#agents.get(api)
    if (known !== undefined) return known
    const agent = new Agent({
      headersTimeout: this.#answerMs,
      bodyTimeout: this.#answerMs,
      allowH2: api.http2,
      pipelining: api.http2 ? 100 : 1,
      connect: connector(api),
    })
    this.#agents.set(api, agent)
    return agent
  }
}

/** Each new connection shows the certificate that its files hold then. */
function connector({ origin, http2, ca, certificate }: Api): buildConnector.BuildOptions | buildConnector.connector {
  // Without TLS nothing tells which protocol is spoken; `useH2c` says it beforehand.
  const protocol = { allowH2: http2, useH2c: http2 && origin.protocol === 'http:' }
  const common = { timeout: CONNECT_MS, ...protocol, ...(ca === null ? {} : { ca }) }
  if (certificate === null) return common
  let current: { readonly cert: string; readonly connect: buildConnector.connector } | null = null
  return (options, connected) => {
    try {
      const own = certificate.read()
      if (current?.cert !== own.cert) current = { cert: own.cert, connect: buildConnector({ ...common, ...own }) }
      current.connect(options, connected)
    } catch (error) {
      connected(upstreamError(error), null)
    }
  }
}

function rawHeaders({ authority, headers }: RequestHead, declared: number | null): string[] {
  const lines = ['host', authority, ...headers.flat()]
  return declared === null ? lines : [...lines, 'content-length', String(declared)]
}

/** Nothing was sent where there was no connection; of anything else nobody can tell whether it took effect. */
export function upstreamError(cause: unknown): UpstreamError {
  if (cause instanceof UpstreamError) return cause
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : ''
  if (UNREACHED.has(code))
    return new UpstreamError('ERR_UPSTREAM_CONNECT', 'the API can’t be reached', { cause, retryable: true })
  if (code.startsWith('ERR_TLS') || code.includes('CERT') || code === 'DEPTH_ZERO_SELF_SIGNED_CERT')
    return new UpstreamError('ERR_UPSTREAM_TLS', 'the API’s certificate can’t be trusted', { cause })
  if (cause instanceof errors.HTTPParserError)
    return new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the API answered what is no HTTP', { cause })
  return new UpstreamError('ERR_UPSTREAM_CLOSED', 'the API broke off before it answered', { cause })
}

const UNREACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])
