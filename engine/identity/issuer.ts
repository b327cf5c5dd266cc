import { ConfigError } from '../errors.ts'

/** One identity provider that is believed, and how its claims become a principal. */
export interface IssuerConfig {
  /** Exactly as the provider writes it into `iss`; discovery is looked for beneath it. */
  readonly issuer: string
  /** Must be in the token's `aud`. */
  readonly audience: string
  /** JWS algorithms that are accepted; asymmetric ones only. */
  readonly algorithms: readonly string[]
  /** From `iat` to `exp`. A longer-lived token is refused however well it is signed. */
  readonly maxLifetimeSeconds: number
  /** How long keys are believed when the provider can't be asked again. */
  readonly keysMaxAgeSeconds: number
  /** Where a fact stands among the claims: a claim's own name, or a JSON Pointer (`/realm_access/roles`). */
  readonly claims: {
    readonly groups: string
    readonly roles: string
    readonly kind: string
    readonly owner: string
  }
}

// A shared secret can't be on the list: whoever can check such a token can also write one.
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** Throws ConfigError naming the path, for what would make every later check worthless. */
export function checkIssuers(issuers: readonly IssuerConfig[], own?: IssuerConfig): void {
  if (issuers.length === 0) throw shape('identity.issuers', 'at least one issuer', 'none')
  if (own !== undefined && issuers.some(({ issuer }) => issuer === own.issuer)) {
    throw shape('identity.exchange.issuer', 'a name that no other issuer has', own.issuer)
  }
  issuers.forEach((issuer, index) => checkIssuer(issuer, `identity.issuers[${index}]`))
  const twice = issuers.find((one, index) => issuers.findIndex((other) => other.issuer === one.issuer) !== index)
  if (twice !== undefined) throw shape('identity.issuers', 'each issuer once', `${twice.issuer} twice`)
}

function checkIssuer(config: IssuerConfig, path: string): void {
  if (!isTrustworthy(config.issuer)) {
    throw shape(`${path}.issuer`, 'an https URL, or http on loopback, without query or fragment', config.issuer)
  }
  if (config.audience === '') throw shape(`${path}.audience`, 'a non-empty string', 'an empty one')
  if (config.algorithms.length === 0) throw shape(`${path}.algorithms`, 'at least one algorithm', 'none')
  const other = config.algorithms.find((algorithm) => !ASYMMETRIC.includes(algorithm))
  if (other !== undefined) throw shape(`${path}.algorithms`, `of ${ASYMMETRIC.join(', ')}`, other)
  checkDuration(config.maxLifetimeSeconds, `${path}.maxLifetimeSeconds`)
  checkDuration(config.keysMaxAgeSeconds, `${path}.keysMaxAgeSeconds`)
}

function checkDuration(seconds: number, path: string): void {
  if (!Number.isFinite(seconds) || seconds <= 0) throw shape(path, 'a number of seconds above 0', String(seconds))
}

function shape(path: string, expected: string, found: string): ConfigError {
  return new ConfigError('ERR_CONFIG_SHAPE', `${path}: expected ${expected}; found ${found}`)
}

/** Keys fetched over a line that others can write on are others' keys: https, or http that never leaves this host. */
export function isTrustworthy(address: string): boolean {
  const url = URL.parse(address)
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
