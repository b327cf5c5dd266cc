import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import type { RegoValue } from '../rego-value.ts'
import { regoFromJson } from '../rego-json.ts'
import { beyondHost, stringOperand, wrongOperand } from './operands.ts'
import type { Calls } from './operands.ts'

export const KEY_CALLS: Calls = {
  'crypto.x509.parse_rsa_private_key': ([text], name) => privateJwk(stringOperand(text, name), name),
}

/** A key that a token may be verified with. `key` is null for one that can verify nothing, such as a private key. */
export interface VerificationKey {
  readonly id: string
  readonly algorithm: string
  readonly key: KeyObject | null
}

const PEM = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\r?\n[\s\S]*?-----END \1-----\r?\n?/

/** One PEM certificate or public key, or a JWK, or a set of them. */
export function verificationKeys(text: string, name: string): readonly VerificationKey[] {
  if (!text.includes('-----BEGIN ')) return jwks(text, name).map((jwk) => jwkVerifier(jwk, name))
  const [block = '', type] = PEM.exec(text) ?? []
  if (text.slice(block.length) !== '') throw wrongOperand(name, 'nothing behind the PEM block')
  return [{ id: '', algorithm: '', key: pemKey(block, type, name) }]
}

function pemKey(block: string, type: string | undefined, name: string): KeyObject {
  try {
    if (type === 'CERTIFICATE') return new X509Certificate(block).publicKey
    if (type === 'PUBLIC KEY') return createPublicKey(block)
  } catch {
    throw wrongOperand(name, 'a certificate or a public key')
  }
  throw wrongOperand(name, 'a certificate or a public key')
}

/** The keys of a JWK set, or the one that stands alone. */
export function jwks(text: string, name: string): readonly JsonWebKey[] {
  const parsed = json(text, name)
  const keys = 'keys' in parsed ? parsed.keys : [parsed]
  if (!Array.isArray(keys) || !keys.every(isJwk)) throw wrongOperand(name, 'a JSON Web Key, or a set of them')
  return keys
}

function json(text: string, name: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // falls through to the same complaint
  }
  throw wrongOperand(name, 'a JSON Web Key, or a set of them')
}

function isJwk(value: unknown): value is JsonWebKey {
  return typeof value === 'object' && value !== null && 'kty' in value && typeof value.kty === 'string'
}

const KNOWN = new Set(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])

function jwkVerifier(jwk: JsonWebKey, name: string): VerificationKey {
  const { kid, alg } = jwk
  const algorithm = typeof alg === 'string' ? alg : ''
  return {
    id: typeof kid === 'string' ? kid : '',
    algorithm,
    key: usable(jwk, algorithm) ? publicKey(jwk, name) : null,
  }
}

/** A private or a symmetric key in a set verifies nothing here, and neither does one for an algorithm nobody knows. */
function usable(jwk: JsonWebKey, algorithm: string): boolean {
  return !('d' in jwk) && jwk.kty !== 'oct' && (algorithm === '' || KNOWN.has(algorithm))
}

function publicKey(jwk: JsonWebKey, name: string): KeyObject {
  try {
    return createPublicKey({ format: 'jwk', key: jwk })
  } catch {
    throw wrongOperand(name, 'JSON Web Keys of known kinds')
  }
}

/** The first private key of PEM text, or of PEM in base64, as a JWK; null where there is none. */
function privateJwk(text: string, name: string): RegoValue {
  if (text === '') throw wrongOperand(name, 'a private key')
  const pem = text.startsWith('-----BEGIN') ? text : Buffer.from(base64(text, name), 'base64').toString()
  const block = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/.exec(pem)?.[0]
  if (block === undefined) return null
  try {
    return regoFromJson(JSON.stringify(createPrivateKey(block).export({ format: 'jwk' })))
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_CRYPTO_JWK_UNSUPPORTED_KEY_TYPE') {
      throw beyondHost(name, 'a key of a kind that has no JWK here')
    }
    throw wrongOperand(name, 'a private key')
  }
}

function base64(text: string, name: string): string {
  const bare = text.replaceAll(/[\r\n]/g, '')
  if (bare.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bare)) throw wrongOperand(name, 'PEM or base64')
  return bare
}
