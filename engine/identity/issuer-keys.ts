import { createLocalJWKSet, errors, type CompactJWSHeaderParameters, type CryptoKey, type JSONWebKeySet } from 'jose'
import { IdentityError } from '../errors.ts'
import { isTrustworthy, type IssuerConfig } from './issuer.ts'

const FETCH_TIMEOUT_MS = 5_000
const MAX_DOCUMENT_BYTES = 512 * 1024

/** Keys this old are asked for again in the background, while they still serve. */
const REFRESH_AFTER_MS = 10 * 60_000

/** Between two tries because of an unknown `kid` or a provider that is down: an attacker can write any `kid`. */
const COOL_DOWN_MS = 10_000

/** Where an issuer's public keys come from. */
export interface KeySource {
  /** Throws ERR_IDENTITY_PROVIDER when there are none to be had. */
  ready(): Promise<void>
  /** The one key that a header names. Throws ERR_IDENTITY_KEY or ERR_IDENTITY_PROVIDER. */
  find(header: CompactJWSHeaderParameters): Promise<CryptoKey>
}

type KeySet = ReturnType<typeof createLocalJWKSet>
interface Loaded {
  readonly keys: KeySet
  readonly at: number
}

/**
 * The public keys of one issuer, found by OpenID Connect Discovery 1.0. They serve on while the provider is down, until
 * their age limit; before the first successful fetch there are none and every token is refused.
 */
export class IssuerKeys implements KeySource {
  readonly #config: IssuerConfig
  readonly #now: () => number
  #loaded: Loaded | null = null
  #loading: Promise<Loaded> | null = null
  #triedAt = Number.NEGATIVE_INFINITY
  #failure: unknown

  constructor(config: IssuerConfig, now: () => number) {
    this.#config = config
    this.#now = now
  }

  /** Throws ERR_IDENTITY_PROVIDER when there are no keys within their age limit and none can be had. */
  async ready(): Promise<void> {
    await this.#current()
  }

  /** The one key that a header names. Throws ERR_IDENTITY_KEY or ERR_IDENTITY_PROVIDER. */
  async find(header: CompactJWSHeaderParameters): Promise<CryptoKey> {
    const loaded = await this.#current()
    try {
      return await loaded.keys(header)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw unusable(error)
    }
    return this.#findAfterRotation(header, loaded)
  }

  /** An unknown `kid` may be a new key: asks once more, but not again within the cool-down. */
  async #findAfterRotation(header: CompactJWSHeaderParameters, known: Loaded): Promise<CryptoKey> {
    const fresh = this.#coolingDown() && this.#loading === null ? known : await this.#load()
    try {
      return await fresh.keys(header)
    } catch (error) {
      throw unusable(error)
    }
  }

  async #current(): Promise<Loaded> {
    const age = this.#loaded === null ? Number.POSITIVE_INFINITY : this.#now() - this.#loaded.at
    if (this.#loaded === null || age >= this.#config.keysMaxAgeSeconds * 1000 || age < 0) return this.#renew()
    if (age >= REFRESH_AFTER_MS && !this.#coolingDown()) this.#load().catch(() => undefined) // they serve on meanwhile
    return this.#loaded
  }

  #renew(): Promise<Loaded> {
    if (this.#loading === null && this.#coolingDown()) return Promise.reject(this.#unavailable(this.#failure))
    return this.#load()
  }

  #coolingDown(): boolean {
    const since = this.#now() - this.#triedAt
    return since >= 0 && since < COOL_DOWN_MS
  }

  /** One fetch at a time, however many tokens wait for it. */
  #load(): Promise<Loaded> {
    this.#loading ??= this.#fetch().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #fetch(): Promise<Loaded> {
    this.#triedAt = this.#now()
    try {
      const loaded = { keys: createLocalJWKSet(await fetchKeySet(this.#config.issuer)), at: this.#triedAt }
      this.#loaded = loaded
      return loaded
    } catch (error) {
      this.#failure = error
      throw this.#unavailable(error)
    }
  }

  #unavailable(cause: unknown): IdentityError {
    const why = cause instanceof Error ? cause.message : 'no answer'
    const message = `the keys of ${this.#config.issuer} can't be had (${why}); is the identity provider up and reachable from here?`
    return new IdentityError('ERR_IDENTITY_PROVIDER', message, { cause, retryable: true })
  }
}

export function unusable(cause: unknown): IdentityError {
  return new IdentityError(
    'ERR_IDENTITY_KEY',
    'the token names no one key that its issuer publishes for its algorithm',
    {
      cause,
    },
  )
}

async function fetchKeySet(issuer: string): Promise<JSONWebKeySet> {
  const discovery = await fetchObject(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  // Discovery 1.0, 4.3: exactly the issuer that was asked for; another one's document would bring another one's keys.
  if (discovery['issuer'] !== issuer) throw new Error('its discovery document is about another issuer')
  const address = discovery['jwks_uri']
  if (typeof address !== 'string' || !isTrustworthy(address)) {
    throw new Error('its jwks_uri is neither https nor http on loopback')
  }
  const { keys } = await fetchObject(address)
  if (!Array.isArray(keys)) throw new Error('its key set has no keys')
  return { keys }
}

async function fetchObject(address: string): Promise<Record<string, unknown>> {
  const response = await fetch(address, {
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`${address} answered ${response.status}`)
  }
  const value: unknown = JSON.parse(await readBounded(response))
  if (typeof value !== 'object' || value === null) throw new Error(`${address} answered no JSON object`)
  return { ...value }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_DOCUMENT_BYTES) throw new Error(`more than ${MAX_DOCUMENT_BYTES} bytes were answered`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
