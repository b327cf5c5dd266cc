import { X509Certificate } from 'node:crypto'
import { ConfigError } from '../../errors.ts'
import { isTrustworthy } from '../issuer.ts'

/** One SAML 2.0 identity provider that is believed, and how its attributes become a principal. */
export interface SamlProvider {
  /** Its entity id, exactly as it stands in an assertion's Issuer. */
  readonly issuer: string
  /** PEM of the certificates whose keys sign its assertions; a second one while they are rotated. Brought ones are never read. */
  readonly certificates: readonly string[]
  /** What the provider calls the gateway: must be in the assertion's audience. */
  readonly audience: string
  /** Where it sends assertions for the gateway: each must name it as its Recipient. */
  readonly recipient: string
  /** How old an assertion may be, and how long it may say that it is good for. */
  readonly maxAgeSeconds: number
  /** The longest that a principal may live on one assertion. */
  readonly maxLifetimeSeconds: number
  /** Names of attributes. `subject` null: the NameID. */
  readonly attributes: {
    readonly subject: string | null
    readonly groups: string
    readonly roles: string
    readonly kind: string
    readonly owner: string
  }
}

const RSA_BITS = 2048

/** Throws ConfigError naming the path, for what would make every later check worthless. `taken`: names that other issuers have. */
export function checkSamlProviders(providers: readonly SamlProvider[], taken: readonly string[]): void {
  const seen = new Set(taken)
  providers.forEach((provider, index) => {
    const path = `identity.saml[${index}]`
    if (seen.has(provider.issuer)) throw shape(`${path}.issuer`, 'a name that no other issuer has', provider.issuer)
    seen.add(provider.issuer)
    if (!isTrustworthy(provider.recipient)) {
      throw shape(`${path}.recipient`, 'an https URL, or http on loopback, without query', provider.recipient)
    }
    if (provider.certificates.length === 0) throw shape(`${path}.certificates`, 'at least one certificate', 'none')
    provider.certificates.forEach((pem, at) => checkCertificate(pem, `${path}.certificates[${at}]`))
  })
}

function checkCertificate(pem: string, path: string): void {
  let key: X509Certificate['publicKey']
  try {
    key = new X509Certificate(pem).publicKey
  } catch (cause) {
    throw shape(path, 'a certificate in PEM', 'something else', cause)
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (key.asymmetricKeyType !== 'rsa' || bits < RSA_BITS) {
    const found = `${key.asymmetricKeyType ?? 'another'} of ${bits} bits`
    throw shape(path, `a certificate of an RSA key of at least ${RSA_BITS} bits`, found)
  }
}

function shape(path: string, expected: string, found: string, cause?: unknown): ConfigError {
  return new ConfigError('ERR_CONFIG_SHAPE', `${path}: expected ${expected}; found ${found}`, { cause })
}
