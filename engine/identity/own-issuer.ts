import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, createLocalJWKSet, exportJWK, SignJWT, type JSONWebKeySet, type JWK } from 'jose'
import type { JsonObject, Principal } from '../access-request.ts'
import { ConfigError } from '../errors.ts'
import { unusable, type KeySource } from './issuer-keys.ts'
import { isTrustworthy, type IssuerConfig } from './issuer.ts'

/** The gateway as an issuer of short-lived tokens of its own (`identity.exchange`). */
export interface OwnIssuerConfig {
  /** What it calls itself in `iss`; where its metadata and its keys are published. */
  readonly issuer: string
  readonly audience: string
  /** PEM: Ed25519, or P-256. */
  readonly key: string
  /** PEM, private or public: the key before, whose tokens still count. */
  readonly previousKey: string | null
  readonly lifetimeSeconds: number
}

/** What a token of the gateway's own says beside the principal's own facts. */
export interface OwnClaims {
  readonly id: string
  readonly principal: Principal
  /** Of the tokens that it was exchanged for: what it is bound to, it stays bound to. */
  readonly cnf: JsonObject | null
}

interface SigningKey {
  readonly key: KeyObject
  readonly jwk: JWK & { readonly kid: string; readonly alg: string }
}

/** Signs the gateway's own tokens, and has the public keys to check them: its own and the one before. */
export class OwnIssuer {
  readonly config: OwnIssuerConfig
  readonly keys: KeySource
  /** RFC 7517: what others may check these tokens with. */
  readonly keySet: JSONWebKeySet
  readonly #signing: SigningKey

  private constructor(config: OwnIssuerConfig, signing: SigningKey, keySet: JSONWebKeySet) {
    this.config = config
    this.#signing = signing
    this.keySet = keySet
    const find = createLocalJWKSet(keySet)
    this.keys = {
      ready: () => Promise.resolve(),
      find: async (header) => {
        try {
          return await find(header)
        } catch (error) {
          throw unusable(error)
        }
      },
    }
  }

  /** Throws ConfigError for a key that tokens can't be signed with, and for an issuer that nobody could trust. */
  static async open(config: OwnIssuerConfig): Promise<OwnIssuer> {
    if (!isTrustworthy(config.issuer)) {
      throw shape('issuer', 'an https URL, or http on loopback, without query or fragment', config.issuer)
    }
    const signing = await privateKey(config.key)
    const previous = config.previousKey === null ? null : await publicJwk(config.previousKey, 'previous_key')
    return new OwnIssuer(config, signing, { keys: previous === null ? [signing.jwk] : [signing.jwk, previous] })
  }

  /** As an issuer that the one verifier believes. */
  get asIssuer(): IssuerConfig {
    const { issuer, audience, lifetimeSeconds } = this.config
    return {
      issuer,
      audience,
      algorithms: ['EdDSA', 'ES256'],
      maxLifetimeSeconds: lifetimeSeconds,
      keysMaxAgeSeconds: Number.MAX_SAFE_INTEGER,
      claims: { groups: 'groups', roles: 'roles', kind: 'kind', owner: 'owner' },
    }
  }

  /** RFC 9068's access token. It never outlives what it was made of: `principal.expires_at`. */
  async sign({ id, principal, cnf }: OwnClaims, now: number): Promise<{ token: string; expiresAt: number }> {
    const { key, jwk } = this.#signing
    const expiresAt = Math.min(now + this.config.lifetimeSeconds, Math.floor(principal.expires_at))
    const token = await new SignJWT({ ...claimsOf(principal), ...(cnf === null ? {} : { cnf }) })
      .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'at+jwt' })
      .setIssuer(this.config.issuer)
      .setAudience(this.config.audience)
      .setSubject(principal.id)
      .setJti(id)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .sign(key)
    return { token, expiresAt }
  }
}

/** `origin` is who vouches for the subject: of whom a principal is an approval's and a revocation's business. */
function claimsOf({ kind, groups, roles, issuer, act, owner, client, exchanged_from }: Principal): JsonObject {
  const actor = act.reduceRight<JsonObject | null>(
    (inner, sub) => (inner === null ? { sub } : { sub, act: inner }),
    null,
  )
  return {
    kind,
    groups,
    roles,
    origin: issuer,
    exchanged_from: exchanged_from ?? [],
    ...(owner === null ? {} : { owner }),
    ...(client === undefined ? {} : { client_id: client }),
    ...(actor === null ? {} : { act: actor }),
  }
}

async function privateKey(pem: string): Promise<SigningKey> {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (cause) {
    throw shape('key', 'a private key in PEM', 'something else', cause)
  }
  return { key, jwk: await publicJwk(pem, 'key') }
}

async function publicJwk(pem: string, name: string): Promise<SigningKey['jwk']> {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch (cause) {
    throw shape(name, 'a key in PEM', 'something else', cause)
  }
  const alg = algorithmOf(key)
  if (alg === null) throw shape(name, 'an Ed25519 key, or one of P-256', key.asymmetricKeyType ?? 'another')
  const jwk = await exportJWK(key)
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): 'EdDSA' | 'ES256' | null {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA'
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : null
}

function shape(name: string, expected: string, found: string, cause?: unknown): ConfigError {
  const message = `identity.exchange.${name}: expected ${expected}; found ${found}`
  return new ConfigError('ERR_CONFIG_SHAPE', message, { cause })
}
