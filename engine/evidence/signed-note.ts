import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'

/** The signature type Ed25519 of C2SP signed-note. */
const ED25519 = 0x01

export interface NoteVerifier {
  readonly name: string
  /** The first four bytes of SHA-256(name, newline, 1, public key). */
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
export function signerFromSeed(name: string, seed: Uint8Array): NoteSigner | undefined {
  if (!NAME.test(name) || seed.length !== 32) return undefined
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key)
  return { verifier: { name, id: keyId(name, publicKey), key: publicKey }, key }
}

/** `PRIVATE+KEY+name+id+base64(1, seed)`; undefined for anything else, whose text is nobody's to repeat. */
export function parseSigner(text: string): NoteSigner | undefined {
  const parts = parseKey(SIGNER.exec(text.trim())?.[1] ?? '')
  const signer = parts === undefined ? undefined : signerFromSeed(parts.name, parts.bytes)
  return signer?.verifier.id.toString('hex') === parts?.id ? signer : undefined
}

/** `name+id+base64(1, public key)`; undefined for anything else. */
export function parseVerifier(text: string): NoteVerifier | undefined {
  const parts = parseKey(text.trim())
  if (parts === undefined) return undefined
  const { name } = parts
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, parts.bytes]), format: 'der', type: 'spki' })
  const id = keyId(name, key)
  return id.toString('hex') === parts.id ? { name, id, key } : undefined
}

/** A verifier as text, to give to auditors. */
export function verifierText({ name, id, key }: NoteVerifier): string {
  return keyText(name, id, rawPublicKey(key))
}

/** A signer as text: a secret. */
export function signerText({ verifier: { name, id }, key }: NoteSigner): string {
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_PREFIX.length)
  return `PRIVATE+KEY+${keyText(name, id, seed)}`
}

/** The line by which a key signs a text. */
export function signatureLine({ verifier, key }: NoteSigner, text: string): string {
  const bytes = Buffer.concat([verifier.id, sign(null, Buffer.from(text), key)])
  return `— ${verifier.name} ${bytes.toString('base64')}\n`
}

/** Reads a note strictly: one spelling only, so that a changed byte is never without effect. */
export function parseNote(note: string): SignedNote | undefined {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n') || !note.isWellFormed()) return undefined
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = lines.map(parseSignature).filter((signature) => signature !== undefined)
  return signatures.length === lines.length ? { text: note.slice(0, end + 1), signatures } : undefined
}

/** Whether this key signed the note. */
export function signedBy({ text, signatures }: SignedNote, verifier: NoteVerifier): boolean {
  return signatures.some(
    ({ name, id, bytes }) =>
      name === verifier.name && id.equals(verifier.id) && verify(null, Buffer.from(text), verifier.key, bytes),
  )
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
  readonly bytes: Buffer
}

function parseKey(text: string): KeyParts | undefined {
  const [, name, id, encoded] = VERIFIER.exec(text) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || id === undefined || bytes?.length !== 33 || !NAME.test(name)) return undefined
  return bytes[0] === ED25519 ? { name, id, bytes: bytes.subarray(1) } : undefined
}

function keyText(name: string, id: Buffer, bytes: Uint8Array): string {
  return `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(ED25519), bytes]).toString('base64')}`
}

function keyId(name: string, key: KeyObject): Buffer {
  const text = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), rawPublicKey(key)])
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
