import { type Secret, UpstreamError } from '../../../engine/index.ts'

const LOOKED_AT_MS = 1000

/** A secret as its file holds it now, looked at once a second at most: who rotates it need not restart the gateway. */
export class FreshText {
  readonly #secret: Secret
  readonly #now: () => number
  #text: string
  #seen: number

  constructor(secret: Secret, now: () => number) {
    this.#secret = secret
    this.#now = now
    this.#text = secret.reveal()
    this.#seen = now()
  }

  /** Throws UpstreamError ERR_UPSTREAM_AUTH: a file that was taken away is a credential that was withdrawn. */
  read(): string {
    const now = this.#now()
    if (now >= this.#seen && now - this.#seen < LOOKED_AT_MS) return this.#text
    const text = this.#again()
    if (text.trim() === '')
      throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway’s credentials for this API are empty')
    this.#text = text
    this.#seen = now
    return text
  }

  #again(): string {
    try {
      return this.#secret.revealAgain()
    } catch (cause) {
      throw new UpstreamError('ERR_UPSTREAM_AUTH', 'the gateway’s credentials for this API can’t be read any more', {
        cause,
      })
    }
  }
}
