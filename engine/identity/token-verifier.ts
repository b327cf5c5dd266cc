import { createHash } from 'node:crypto'
import { compactVerify, type CryptoKey } from 'jose'
import type { JsonObject, Principal } from '../access-request.ts'
import { IdentityError } from '../errors.ts'
import { checkIssuers, type IssuerConfig } from './issuer.ts'
import { IssuerKeys, type KeySource } from './issuer-keys.ts'
import type { OwnIssuer } from './own-issuer.ts'
import { ownPrincipal, principalFrom } from './principal.ts'
import { checkBinding } from './sender-binding.ts'
import { readToken } from './token-text.ts'

/** How far the provider's clock and ours may be apart, in seconds. */
const SKEW = 60

/** RFC 9068 access tokens, and the plain type that most providers still write. ID, logout and proof tokens are none of these. */
const TYPES = ['at+jwt', 'application/at+jwt', 'jwt', 'application/jwt']

/** Headers that bring or fetch a key (RFC 7515, 4.1) or change how the rest is read: the signer's choice is never ours. */
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'crit', 'b64', 'zip', 'enc']

/** Turns bearer tokens into principals; one for all planes. */
export interface TokenVerifier {
  /**
   * Throws IdentityError with one code per failure; no message quotes the token. `certificate`: of the connection that brought
   * it (RFC 8705), SHA-256 of its DER in base64url.
   */
  verify(token: string, certificate?: string | null): Promise<Principal>
  /** For readiness: resolves when every issuer's keys are at hand. Throws ERR_IDENTITY_PROVIDER. */
  ready(): Promise<void>
}

interface Issuer {
  readonly config: IssuerConfig
  readonly keys: KeySource
  readonly isOwn: boolean
}

/**
 * A verifier for access tokens of these issuers. `now`: milliseconds since 1970. Nothing is fetched before the first
 * `ready` or `verify`. `own`: the gateway's own tokens count as well. Throws ConfigError for issuers that can't be trusted by
 * their very configuration.
 */
export function createTokenVerifier(
  issuers: readonly IssuerConfig[],
  options: { readonly now: () => number; readonly own?: OwnIssuer },
): TokenVerifier {
  const { now, own } = options
  const ours = own === undefined ? [] : [{ config: own.asIssuer, keys: own.keys, isOwn: true }]
  checkIssuers(issuers, own?.asIssuer)
  const theirs = issuers.map((config): Issuer => ({ config, keys: new IssuerKeys(config, now), isOwn: false }))
  const known = [...theirs, ...ours]
  return {
    verify: (token, certificate = null) => verify(token, { known, now, certificate }),
    ready: async () => {
      await Promise.all(known.map(({ keys }) => keys.ready()))
    },
  }
}

interface Setting {
  readonly known: readonly Issuer[]
  readonly certificate: string | null
  readonly now: () => number
}

async function verify(token: string, { known, now, certificate }: Setting): Promise<Principal> {
  const { header, claims } = readToken(token)
  const issuer = issuerOf(claims, known)
  const { alg, kid } = checkHeader(header, issuer.config)
  const key = await issuer.keys.find(kid === undefined ? { alg } : { alg, kid })
  await checkSignature(token, key, alg)
  checkAudience(claims, issuer.config)
  const expiresAt = checkTimes(claims, issuer.config, Math.floor(now() / 1000))
  checkBinding(claims, certificate)
  const digest = createHash('sha256').update(token).digest('hex')
  return (issuer.isOwn ? ownPrincipal : principalFrom)(claims, issuer.config, digest, expiresAt)
}

/** Only chooses whose keys are asked; that the claim is true is for the signature to say. */
function issuerOf(claims: JsonObject, known: readonly Issuer[]): Issuer {
  const issuer = known.find(({ config }) => config.issuer === claims['iss'])
  if (issuer !== undefined) return issuer
  const expected = known.map(({ config }) => config.issuer).join(' or ')
  throw new IdentityError('ERR_IDENTITY_ISSUER', `the token is not from ${expected}`)
}

function checkHeader(header: JsonObject, config: IssuerConfig): { readonly alg: string; readonly kid?: string } {
  const { alg, typ, kid } = header
  if (typeof alg !== 'string' || !config.algorithms.includes(alg)) {
    const expected = config.algorithms.join(', ')
    throw new IdentityError('ERR_IDENTITY_ALGORITHM', `the token must be signed with one of ${expected}`)
  }
  const refused = REFUSED_HEADERS.find((name) => Object.hasOwn(header, name))
  if (refused !== undefined) throw malformed(`has the header ${refused}, which is never followed`)
  if (typeof typ !== 'string' || !TYPES.includes(typ.toLowerCase())) throw malformed('is not of type at+jwt or JWT')
  if (kid === undefined) return { alg }
  if (typeof kid !== 'string') throw malformed('has a kid that is not a string')
  return { alg, kid }
}

function malformed(what: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_MALFORMED', `the token ${what}`)
}

async function checkSignature(token: string, key: CryptoKey, alg: string): Promise<void> {
  try {
    await compactVerify(token, key, { algorithms: [alg] })
  } catch (cause) {
    throw new IdentityError('ERR_IDENTITY_SIGNATURE', "the token's signature is not by its issuer's key", { cause })
  }
}

/** RFC 7519, 4.1.3: a string, or a list of strings that holds ours. */
function checkAudience(claims: JsonObject, config: IssuerConfig): void {
  const { aud } = claims
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (audiences.every((each) => typeof each === 'string') && audiences.includes(config.audience)) return
  throw new IdentityError('ERR_IDENTITY_AUDIENCE', `the token is not meant for ${config.audience}`)
}

/** Returns `exp`. Both `iat` and `exp` are needed: without them a token's lifetime is whatever its holder says. */
function checkTimes(claims: JsonObject, config: IssuerConfig, now: number): number {
  const issued = seconds(claims, 'iat')
  const expires = seconds(claims, 'exp')
  const notBefore = claims['nbf'] === undefined ? issued : seconds(claims, 'nbf')
  if (now >= expires + SKEW) throw new IdentityError('ERR_IDENTITY_EXPIRED', 'the token has expired: get a fresh one')
  if (Math.max(notBefore, issued) > now + SKEW) {
    throw new IdentityError('ERR_IDENTITY_NOT_YET_VALID', 'the token is not valid yet; do the two clocks agree?')
  }
  if (expires - issued > config.maxLifetimeSeconds) {
    const longest = config.maxLifetimeSeconds
    throw new IdentityError('ERR_IDENTITY_LIFETIME', `the token lives longer than the ${longest} s that are allowed`)
  }
  return expires
}

function seconds(claims: JsonObject, name: string): number {
  const value = claims[name]
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new IdentityError('ERR_IDENTITY_CLAIM', `the token's claim ${name} must be a number of seconds since 1970`)
}
