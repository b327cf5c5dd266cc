import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'

/** Signature types of C2SP signed-note: a log's own Ed25519, and a witness's timestamped cosignature (tlog-cosignature). */
export type NoteAlgorithm = 'ed25519' | 'cosignature'
const ALGORITHM: Readonly<Record<NoteAlgorithm, number>> = { ed25519: 0x01, cosignature: 0x04 }

export interface NoteVerifier {
  readonly name: string
  readonly algorithm: NoteAlgorithm
  /** The first four bytes of SHA-256(name, newline, algorithm, public key). */
  readonly id: Buffer
  readonly key: KeyObject
}

export interface NoteSigner {
  readonly verifier: NoteVerifier
  readonly key: KeyObject
}

export interface NoteSignature {
  readonly name: string
  readonly id: Buffer
  readonly bytes: Buffer
}

/** A text, newline at its end, and who signed it. */
export interface SignedNote {
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

// RFC 8410: what stands before the 32 bytes of a key in PKCS #8 and in SPKI.
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
// Neither white space nor a plus may be in a name: both end it.
const NAME = /^[^\s+\p{C}]+$/u
const VERIFIER = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/
const SIGNER = /^PRIVATE\+KEY\+(.*)$/s
const SIGNATURE = /^— (\S+) ([A-Za-z0-9+/=]+)$/u

/** A key pair from 32 random bytes; undefined when the name has white space or a plus in it. */
export function signerFromSeed(name: string, algorithm: NoteAlgorithm, seed: Uint8Array): NoteSigner | undefined {
  if (!NAME.test(name) || seed.length !== 32) return undefined
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key)
  return { verifier: { name, algorithm, id: keyId(name, algorithm, publicKey), key: publicKey }, key }
}

/** `PRIVATE+KEY+name+id+base64(algorithm, seed)`; undefined for anything else, whose text is nobody's to repeat. */
export function parseSigner(text: string): NoteSigner | undefined {
  const parts = parseKey(SIGNER.exec(text.trim())?.[1] ?? '')
  const signer = parts === undefined ? undefined : signerFromSeed(parts.name, parts.algorithm, parts.bytes)
  return signer?.verifier.id.toString('hex') === parts?.id ? signer : undefined
}

/** `name+id+base64(algorithm, public key)`; undefined for anything else. */
export function parseVerifier(text: string): NoteVerifier | undefined {
  const parts = parseKey(text.trim())
  if (parts === undefined) return undefined
  const { name, algorithm } = parts
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, parts.bytes]), format: 'der', type: 'spki' })
  const id = keyId(name, algorithm, key)
  return id.toString('hex') === parts.id ? { name, algorithm, id, key } : undefined
}

/** A verifier as text, to give to auditors. */
export function verifierText({ name, algorithm, id, key }: NoteVerifier): string {
  return keyText(name, id, algorithm, rawPublicKey(key))
}

/** A signer as text: a secret. */
export function signerText({ verifier: { name, algorithm, id }, key }: NoteSigner): string {
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_PREFIX.length)
  return `PRIVATE+KEY+${keyText(name, id, algorithm, seed)}`
}

/** The text with one signature line. A cosignature says when, in whole seconds since 1970. */
export function signatureLine({ verifier, key }: NoteSigner, text: string, seconds: number): string {
  const bytes = verifier.algorithm === 'ed25519' ? sign(null, Buffer.from(text), key) : cosign(key, text, seconds)
  return `— ${verifier.name} ${Buffer.concat([verifier.id, bytes]).toString('base64')}\n`
}

/** Reads a note strictly: one spelling only, so that a changed byte is never without effect. */
export function parseNote(note: string): SignedNote | undefined {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n') || !note.isWellFormed()) return undefined
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = lines.map(parseSignature).filter((signature) => signature !== undefined)
  return signatures.length === lines.length ? { text: note.slice(0, end + 1), signatures } : undefined
}

/** When a key signed a note: for a cosignature the second it names, for others 0; undefined when it didn't. */
export function signedBy(note: SignedNote, verifier: NoteVerifier): { readonly seconds: number } | undefined {
  for (const { name, id, bytes } of note.signatures) {
    if (name !== verifier.name || !id.equals(verifier.id)) continue
    if (verifier.algorithm === 'ed25519') {
      if (verify(null, Buffer.from(note.text), verifier.key, bytes)) return { seconds: 0 }
    } else if (bytes.length === 72) {
      const seconds = Number(bytes.readBigUInt64BE())
      if (verify(null, cosigned(note.text, seconds), verifier.key, bytes.subarray(8))) return { seconds }
    }
  }
  return undefined
}

function cosign(key: KeyObject, text: string, seconds: number): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(seconds))
  return Buffer.concat([time, sign(null, cosigned(text, seconds), key)])
}

// C2SP tlog-cosignature, cosignature/v1.
function cosigned(text: string, seconds: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name, encoded] = SIGNATURE.exec(line) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || bytes === undefined || bytes.length < 5) return undefined
  return { name, id: bytes.subarray(0, 4), bytes: bytes.subarray(4) }
}

interface KeyParts {
  readonly name: string
  readonly id: string
  readonly algorithm: NoteAlgorithm
  readonly bytes: Buffer
}

function parseKey(text: string): KeyParts | undefined {
  const [, name, id, encoded] = VERIFIER.exec(text) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || id === undefined || bytes?.length !== 33 || !NAME.test(name)) return undefined
  const algorithm = bytes[0] === ALGORITHM.ed25519 ? 'ed25519' : 'cosignature'
  return bytes[0] === ALGORITHM[algorithm] ? { name, id, algorithm, bytes: bytes.subarray(1) } : undefined
}

function keyText(name: string, id: Buffer, algorithm: NoteAlgorithm, bytes: Uint8Array): string {
  return `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(ALGORITHM[algorithm]), bytes]).toString('base64')}`
}

function keyId(name: string, algorithm: NoteAlgorithm, key: KeyObject): Buffer {
  const text = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ALGORITHM[algorithm]), rawPublicKey(key)])
  return hash('sha256', text, 'buffer').subarray(0, 4)
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length)
}

/** Base64 that is the only spelling of its bytes. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
