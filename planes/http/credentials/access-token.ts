import { UpstreamError } from '../../../engine/index.ts'

/** A token as it was given out. */
export interface GrantedToken {
  readonly token: string
  /** Null: the server doesn't say, and it is asked for again soon. */
  readonly seconds: number | null
}

interface Held {
  readonly token: string
  readonly from: number
  readonly until: number
}

/** Of a token's life, this share (and no more than a minute) is left over: it must still be good when it arrives. */
const SPARE_SHARE = 0.2
const MOST_SPARE_MS = 60_000
const UNSAID_SECONDS = 60
/** A server that has just failed is left alone so long. */
const COOL_OFF_MS = 1000
/** An API that refuses every token must not have a new one asked for with every request. */
const LEAST_AGE_MS = 5000

/** One token that many requests share: asked for once, renewed before it ends, and by one request at a time. */
export class AccessToken {
  readonly #ask: () => Promise<GrantedToken>
  readonly #now: () => number
  #held: Held | null = null
  #flight: Promise<string> | null = null
  #failure: { readonly error: UpstreamError; readonly at: number } | null = null

  constructor(ask: () => Promise<GrantedToken>, now: () => number) {
    this.#ask = ask
    this.#now = now
  }

  /** Throws UpstreamError ERR_UPSTREAM_AUTH. */
  async get(): Promise<string> {
    const now = this.#now()
    const held = this.#held
    if (held !== null && now < held.until) {
      if (now >= held.until - spare(held)) this.#renew().catch(() => undefined) // whoever needs it then sees why
      return held.token
    }
    return this.#renew()
  }

  /** The API answered that it isn't good: revoked, or of another key than its own. */
  refused(): void {
    if (this.#held !== null && this.#now() - this.#held.from >= LEAST_AGE_MS) this.#held = null
  }

  #renew(): Promise<string> {
    if (this.#failure !== null && this.#now() - this.#failure.at < COOL_OFF_MS)
      return Promise.reject(this.#failure.error)
    this.#flight ??= this.#asked().finally(() => {
      this.#flight = null
    })
    return this.#flight
  }

  async #asked(): Promise<string> {
    const from = this.#now()
    try {
      const { token, seconds } = await this.#ask()
      this.#held = { token, from, until: from + (seconds ?? UNSAID_SECONDS) * 1000 }
      this.#failure = null
      return token
    } catch (cause) {
      const message = 'the authorization server gives the gateway no token for this API'
      const error = new UpstreamError('ERR_UPSTREAM_AUTH', message, { cause, retryable: true })
      this.#failure = { error, at: this.#now() }
      throw error
    }
  }
}

function spare({ from, until }: Held): number {
  return Math.min((until - from) * SPARE_SHARE, MOST_SPARE_MS)
}
