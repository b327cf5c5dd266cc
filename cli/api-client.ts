import { EXIT } from './exit.ts'

/** What the API refused, or that it could not be asked. `exit` is the command's exit code. */
export class ApiError extends Error {
  readonly exit: number
  readonly code: string

  constructor(exit: number, code: string, message: string) {
    super(message)
    this.exit = exit
    this.code = code
  }
}

/** What is sent along: a value as JSON, or bytes of a media type as they are. */
export type Body =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'bytes'; readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> }

const TIMEOUT_MS = 60_000
const MAX_EVENT = 64 * 1024

const EXIT_NOT_ALLOWED = 77 // sysexits.h, EX_NOPERM

/** The HTTP API of one gateway, asked as whoever the token names. Every failure is an ApiError. */
export class ApiClient {
  readonly #api: URL
  readonly #token: string

  constructor(api: URL, token: string) {
    this.#api = api
    this.#token = token
  }

  async ask(method: string, path: string, body?: Body): Promise<object> {
    const response = await this.#fetch(method, path, body)
    const answer: unknown = await response.json().catch(() => null)
    if (typeof answer !== 'object' || answer === null) throw this.strange()
    if (!response.ok) throw refusal(response.status, answer)
    return answer
  }

  /** A stream of server-sent events, a block at a time, until the gateway ends it or the signal does. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const headers = { authorization: `Bearer ${this.#token}`, accept: 'text/event-stream' }
    const response = await this.#fetched(path, { headers, redirect: 'error', signal })
    if (!response.ok || response.body === null) {
      const answer: unknown = await response.json().catch(() => null)
      throw refusal(response.status, Object(answer))
    }
    let text = ''
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = `${text}${chunk}`.split('\n\n')
      text = blocks.pop() ?? ''
      if (text.length > MAX_EVENT) throw this.strange()
      yield* blocks
    }
  }

  /** For an answer that is not of the form it should have. */
  strange(): ApiError {
    const message = `${this.#api.href} does not answer as a Countersign API does: check --api (or COUNTERSIGN_API)`
    return new ApiError(EXIT.unavailable, 'ERR_API_ANSWER', message)
  }

  async #fetch(method: string, path: string, body: Body | undefined): Promise<Response> {
    const type = body?.kind === 'bytes' ? body.type : 'application/json'
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': type }
    const init = { method, headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) } as const
    const sent = body?.kind === 'bytes' ? body.bytes : JSON.stringify(body?.value)
    return this.#fetched(path, body === undefined ? init : { ...init, body: sent })
  }

  async #fetched(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(new URL(path, this.#api), init)
    } catch {
      const message = `no answer from ${this.#api.href}; is the gateway running, and is --api (or COUNTERSIGN_API) its address?`
      throw new ApiError(EXIT.unavailable, 'ERR_API_UNREACHABLE', message)
    }
  }
}

function refusal(status: number, answer: object): ApiError {
  const name = 'code' in answer && typeof answer.code === 'string' ? answer.code : `HTTP ${status}`
  const detail = 'detail' in answer && typeof answer.detail === 'string' ? answer.detail : 'the API gives no reason'
  const message = `${detail}${advice(status, name)}`
  return new ApiError(exitOf(status), name, message)
}

function exitOf(status: number): number {
  if (status === 401 || status === 403) return EXIT_NOT_ALLOWED
  return status >= 500 ? EXIT.unavailable : EXIT.failed
}

/** What to do next, where the API's own words don't say it. */
function advice(status: number, code: string): string {
  if (status === 401) return '; put a fresh token into COUNTERSIGN_TOKEN or name its file with --token-file'
  if (code === 'ERR_APPROVAL_REASON') return '; add --reason "…"'
  if (code === 'ERR_APPROVAL_UNKNOWN') {
    return '; `countersign approvals list --state all` (or grants list) shows those that you may see'
  }
  if (code === 'ERR_POLICY_UNKNOWN') return '; `countersign policy status` shows what is proposed'
  return ''
}
