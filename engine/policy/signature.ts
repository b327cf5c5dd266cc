import { createHash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { CompactSign, base64url, compactVerify, importJWK, importSPKI } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { PolicyError } from '../errors.ts'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { isObject, parseDocument } from './json-document.ts'
import type { ArchiveFile } from './tar.ts'

/** Asymmetric only: whoever can verify must not be able to sign. */
const SIGNATURE_ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256'] as const
type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number]

/** A public key; as text, PEM of SubjectPublicKeyInfo. */
export type VerificationKey = KeyObject | CryptoKey | JWK | string
export type SigningKey = KeyObject | CryptoKey | JWK

/** Whose bundles are believed: from the gateway's configuration, never from the bundle. */
export interface SignatureTrust {
  readonly key: VerificationKey
  /** When given, the signature's `kid` has to be this one. */
  readonly keyId?: string
  /** One of SIGNATURE_ALGORITHMS. The token's own `alg` is only ever compared with it. */
  readonly algorithm: string
}

export const SIGNATURES_FILE = '.signatures.json'
const DEFAULT_PLUGIN = '_default'

interface FileHash {
  readonly name: string
  readonly hash: string
  readonly algorithm: string
}

/** SHA-256 (hex) of a file as OPA's signatures count it: JSON documents by their canonical walk, all else by its bytes. */
export function fileHash({ name, content }: ArchiveFile): string {
  const base = name.slice(name.lastIndexOf('/') + 1)
  const structured = base === 'data.json' || base === '.manifest'
  return createHash('sha256')
    .update(structured ? parseDocument(name, content).canonical : content)
    .digest('hex')
}

/**
 * Checks a bundle's `.signatures.json` (https://www.openpolicyagent.org/docs/management-bundles#signing): one JWS over
 * the hash of every file, and of no other. Throws PolicyError ERR_POLICY_SIGNATURE.
 */
export async function verifySignature(files: readonly ArchiveFile[], trust: SignatureTrust): Promise<void> {
  const signed = await signedHashes(files, trust)
  const others = files.filter(({ name }) => name !== SIGNATURES_FILE)
  for (const file of others) {
    const claimed = signed.get(file.name)
    if (claimed === undefined) throw refused(`${file.name} is in the bundle but not in its signature`)
    if (claimed !== fileHash(file)) throw refused(`${file.name} is not what was signed`)
  }
  const missing = [...signed.keys()].find((name) => !others.some((file) => file.name === name))
  if (missing !== undefined) throw refused(`${missing} was signed but is not in the bundle`)
}

/** A `.signatures.json` over these files, as `opa sign` writes it. Throws PolicyError ERR_POLICY_SIGNATURE. */
export async function signFiles(
  files: readonly ArchiveFile[],
  key: SigningKey,
  algorithm: string,
  keyId: string,
): Promise<ArchiveFile> {
  const alg = allowed(algorithm)
  const hashes: FileHash[] = files.map((file) => ({ name: file.name, hash: fileHash(file), algorithm: 'SHA-256' }))
  const token = await new CompactSign(Buffer.from(JSON.stringify({ files: hashes, keyid: keyId })))
    .setProtectedHeader({ alg, kid: keyId })
    .sign(key)
  return { name: SIGNATURES_FILE, content: Buffer.from(JSON.stringify({ signatures: [token] })) }
}

async function signedHashes(files: readonly ArchiveFile[], trust: SignatureTrust): Promise<Map<string, string>> {
  const token = soleToken(files)
  const payload = await verifiedPayload(token, trust)
  const listed = payload.files
  if (!Array.isArray(listed)) throw refused('the signature lists no files')
  const hashes = new Map<string, string>()
  for (const { name, hash } of listed.map(readFileHash)) {
    if (hashes.has(name)) throw refused(`the signature lists ${name} twice`)
    hashes.set(name, hash)
  }
  return hashes
}

function soleToken(files: readonly ArchiveFile[]): string {
  const file = files.find(({ name }) => name === SIGNATURES_FILE)
  if (file === undefined) throw refused('the bundle is not signed')
  const { signatures, plugin = DEFAULT_PLUGIN, ...rest } = parseDocument(SIGNATURES_FILE, file.content).value
  const [token, ...more] = Array.isArray(signatures) ? signatures : []
  if (typeof token !== 'string' || more.length > 0 || plugin !== DEFAULT_PLUGIN || Object.keys(rest).length > 0) {
    throw refused(`${SIGNATURES_FILE} has to hold exactly one token in \`signatures\`, made by OPA's default signer`)
  }
  return token
}

async function verifiedPayload(token: string, trust: SignatureTrust): Promise<JsonObject> {
  const alg = allowed(trust.algorithm)
  const key = await publicKey(trust.key, alg)
  const verified = await compactVerify(token, key, { algorithms: [alg] }).catch((cause: unknown) => {
    throw new PolicyError('ERR_POLICY_SIGNATURE', "the bundle's signature does not verify with the configured key", {
      cause,
    })
  })
  if (!token.split('.').every((part) => base64url.encode(base64url.decode(part)) === part)) {
    throw refused('the signature is not in plain base64url')
  }
  if (trust.keyId !== undefined && verified.protectedHeader.kid !== trust.keyId) {
    throw refused(`the bundle is signed with another key than ${trust.keyId}`)
  }
  const { value } = parseDocument('the signature', verified.payload)
  if (value.scope !== undefined) throw refused('a signature with a scope is for another use')
  return value
}

function readFileHash(value: JsonValue): FileHash {
  if (!isObject(value)) throw refused('the signature lists something that is no file')
  const { name, hash, algorithm } = value
  if (typeof name !== 'string' || typeof hash !== 'string' || algorithm !== 'SHA-256') {
    throw refused('the signature lists a file without name and SHA-256 hash; sign with SHA-256')
  }
  return { name: name.replace(/^\//, ''), hash: hash.toLowerCase(), algorithm }
}

function allowed(algorithm: string): SignatureAlgorithm {
  const found = SIGNATURE_ALGORITHMS.find((name) => name === algorithm)
  if (found === undefined) {
    throw refused(`the algorithm ${algorithm} is not allowed; use one of ${SIGNATURE_ALGORITHMS.join(', ')}`)
  }
  return found
}

async function publicKey(key: VerificationKey, algorithm: string): Promise<KeyObject | CryptoKey> {
  const imported = await importKey(key, algorithm).catch((cause: unknown) => {
    throw new PolicyError('ERR_POLICY_SIGNATURE', `the configured key is not a key for ${algorithm}`, { cause })
  })
  if (imported.type !== 'public') throw refused(`the configured key is ${imported.type}; configure the public key`)
  return imported
}

async function importKey(key: VerificationKey, algorithm: string): Promise<KeyObject | CryptoKey> {
  if (typeof key === 'string') return importSPKI(key, algorithm)
  if (!isJwk(key)) return key
  const imported = await importJWK(key, algorithm)
  if (imported instanceof Uint8Array) throw new TypeError("a shared secret can't verify bundles")
  return imported
}

function isJwk(key: KeyObject | CryptoKey | JWK): key is JWK {
  return 'kty' in key
}

function refused(why: string): PolicyError {
  return new PolicyError('ERR_POLICY_SIGNATURE', `${why}; the bundle is refused`)
}
