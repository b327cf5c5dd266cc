import { constants, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }

/** Whether a JWS signature (RFC 7518, section 3) holds under a public key. A key of another kind verifies nothing. */
export function isSigned(input: Uint8Array, signature: Uint8Array, key: KeyObject, algorithm: string): boolean {
  const digest = `sha${algorithm.slice(2)}`
  switch (algorithm) {
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return key.asymmetricKeyType === 'rsa' && holds(digest, input, { key }, signature)
    case 'PS256':
    case 'PS384':
    case 'PS512': {
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
      return key.asymmetricKeyType === 'rsa' && holds(digest, input, { key, ...padding }, signature)
    }
    case 'ES256':
    case 'ES384':
    case 'ES512':
      return (
        key.asymmetricKeyDetails?.namedCurve === CURVES[algorithm] &&
        holds(digest, input, { key, dsaEncoding: 'ieee-p1363' }, signature)
      )
    case 'EdDSA':
      return key.asymmetricKeyType === 'ed25519' && holds(null, input, { key }, signature)
    default:
      return false
  }
}

function holds(
  digest: string | null,
  input: Uint8Array,
  key: Parameters<typeof verify>[2],
  signature: Uint8Array,
): boolean {
  try {
    return verify(digest, input, key, signature)
  } catch {
    return false // a signature that is no signature at all
  }
}
