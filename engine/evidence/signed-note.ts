import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'

/** The signature type Ed25519 of C2SP signed-note: a log's own signature. */
const ED25519 = 0x01

/** A public key of one signature type: the type is part of its id, so that no key passes for one of another type. */
export interface VerifierOf<Type extends number> {
  readonly type: Type
  readonly name: string
  /** The first four bytes of SHA-256(name, newline, type, public key). */
  readonly id: Buffer
  readonly key: KeyObject
}

export interface SignerOf<Type extends number> {
  readonly verifier: VerifierOf<Type>
  readonly key: KeyObject
}

export type NoteVerifier = VerifierOf<typeof ED25519>
export type NoteSigner = SignerOf<typeof ED25519>

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
/** As many as Go's own reader takes: what is signed more often is somebody's attempt at our time. */
const MAX_SIGNATURES = 100
const SIGNATURE = /^— (\S+) ([A-Za-z0-9+/=]+)$/u

/** A key pair from 32 random bytes; undefined when the name has white space or a plus in it. */
export function signerFromSeed(name: string, seed: Uint8Array): NoteSigner | undefined {
  return signerOf(ED25519, name, seed)
}

export function signerOf<Type extends number>(type: Type, name: string, seed: Uint8Array): SignerOf<Type> | undefined {
  if (!NAME.test(name) || seed.length !== 32) return undefined
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(key)
  return { verifier: { type, name, id: keyId(type, name, publicKey), key: publicKey }, key }
}

/** `PRIVATE+KEY+name+id+base64(1, seed)`; undefined for anything else, whose text is nobody's to repeat. */
export function parseSigner(text: string): NoteSigner | undefined {
  return parseSignerOf(ED25519, text)
}

export function parseSignerOf<Type extends number>(type: Type, text: string): SignerOf<Type> | undefined {
  const parts = parseKey(type, SIGNER.exec(text.trim())?.[1] ?? '')
  const signer = parts === undefined ? undefined : signerOf(type, parts.name, parts.bytes)
  return signer?.verifier.id.toString('hex') === parts?.id ? signer : undefined
}

/** `name+id+base64(1, public key)`; undefined for anything else. */
export function parseVerifier(text: string): NoteVerifier | undefined {
  return parseVerifierOf(ED25519, text)
}

export function parseVerifierOf<Type extends number>(type: Type, text: string): VerifierOf<Type> | undefined {
  const parts = parseKey(type, text.trim())
  if (parts === undefined) return undefined
  const { name } = parts
  const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, parts.bytes]), format: 'der', type: 'spki' })
  const id = keyId(type, name, key)
  return id.toString('hex') === parts.id ? { type, name, id, key } : undefined
}

/** A verifier as text, to give to auditors. */
export function verifierText({ type, name, id, key }: VerifierOf<number>): string {
  return keyText(type, name, id, rawPublicKey(key))
}

/** A verifier's name and id, as findings tell it. */
export function keyName({ name, id }: Pick<VerifierOf<number>, 'name' | 'id'>): string {
  return `${name}+${id.toString('hex')}`
}

export function isSameKey(one: VerifierOf<number>, other: VerifierOf<number>): boolean {
  return verifierText(one) === verifierText(other)
}

/** A signer as text: a secret. */
export function signerText({ verifier: { type, name, id }, key }: SignerOf<number>): string {
  const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_PREFIX.length)
  return `PRIVATE+KEY+${keyText(type, name, id, seed)}`
}

/** The line by which a key signs a text. */
export function signatureLine({ verifier, key }: NoteSigner, text: string): string {
  return noteLine(verifier, sign(null, Buffer.from(text), key))
}

/** A signature as a note's line. */
export function noteLine({ name, id }: Pick<VerifierOf<number>, 'name' | 'id'>, signature: Uint8Array): string {
  return `— ${name} ${Buffer.concat([id, signature]).toString('base64')}\n`
}

/** Reads a note strictly: one spelling only, so that a changed byte is never without effect. */
export function parseNote(note: string): SignedNote | undefined {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n') || !note.isWellFormed()) return undefined
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = lines.map(parseSignature).filter((signature) => signature !== undefined)
  if (signatures.length !== lines.length || lines.length > MAX_SIGNATURES) return undefined
  if (new Set(lines).size !== lines.length) return undefined // the same line twice says nothing more
  return { text: note.slice(0, end + 1), signatures }
}

/** Signature lines alone, as a witness answers with; undefined for anything else. */
export function parseSignatureLines(text: string): readonly NoteSignature[] | undefined {
  return parseNote(`\n\n${text}`)?.signatures
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

function parseKey(type: number, text: string): KeyParts | undefined {
  const [, name, id, encoded] = VERIFIER.exec(text) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || id === undefined || bytes?.length !== 33 || !NAME.test(name)) return undefined
  return bytes[0] === type ? { name, id, bytes: bytes.subarray(1) } : undefined
}

function keyText(type: number, name: string, id: Buffer, bytes: Uint8Array): string {
  return `${name}+${id.toString('hex')}+${Buffer.concat([Buffer.of(type), bytes]).toString('base64')}`
}

function keyId(type: number, name: string, key: KeyObject): Buffer {
  const text = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), rawPublicKey(key)])
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
