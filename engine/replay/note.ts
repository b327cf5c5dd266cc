import { fromBase64, joined, sha256, toHex, utf8 } from './bytes.ts'

/** C2SP signed-note's signature types: a log's own, and a witness's, which is over a time as well (tlog-cosignature). */
const ED25519 = 0x01
const COSIGNATURE = 0x04
const NAME = /^[^\s+\p{C}]+$/u
const KEY = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/
const SIGNATURE = /^— (\S+) ([A-Za-z0-9+/=]+)$/u
const SIZE = /^(?:0|[1-9]\d{0,15})$/

/** A public key that somebody trusts: `name+id+base64`, as `countersign evidence key` prints it. */
export interface PublicKey {
  readonly name: string
  readonly id: string
  /** `log`: signs checkpoints. `witness`: cosigns them, with the time of its looking. */
  readonly kind: 'log' | 'witness'
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface NoteLine {
  readonly name: string
  readonly id: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** A text and every line that signs it (C2SP signed-note). */
export interface Note {
  /** What is signed, newline at its end. */
  readonly text: string
  readonly signatures: readonly NoteLine[]
}

/** C2SP tlog-checkpoint. */
export interface CheckpointNote extends Note {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array<ArrayBuffer>
}

/** Undefined for text that is no key, or whose id isn't the key's own. */
export async function readPublicKey(text: string): Promise<PublicKey | undefined> {
  const [, name, id, encoded] = KEY.exec(text.trim()) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || id === undefined || bytes?.length !== 33 || !NAME.test(name)) return undefined
  if (bytes[0] !== ED25519 && bytes[0] !== COSIGNATURE) return undefined
  const own = (await sha256(joined(utf8(`${name}\n`), bytes))).subarray(0, 4)
  if (toHex(own) !== id) return undefined
  return { name, id, kind: bytes[0] === ED25519 ? 'log' : 'witness', bytes: bytes.slice(1) }
}

/** Strict: one spelling only, so that a changed byte is never without effect. */
export function readNote(note: string): Note | undefined {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) return undefined
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = lines.map(readLine).filter((line) => line !== undefined)
  if (signatures.length !== lines.length || new Set(lines).size !== lines.length) return undefined
  return { text: note.slice(0, end + 1), signatures }
}

/** Without extension lines, which this log never writes. Checks no signature. */
export function readCheckpoint(text: string): CheckpointNote | undefined {
  const note = readNote(text)
  if (note === undefined) return undefined
  const [origin, size, encoded, rest, ...more] = note.text.split('\n')
  const root = encoded === undefined ? undefined : fromBase64(encoded)
  if (origin === undefined || origin === '' || size === undefined || !SIZE.test(size)) return undefined
  if (root?.length !== 32 || rest !== '' || more.length > 0 || !Number.isSafeInteger(Number(size))) return undefined
  return { origin, size: Number(size), root, ...note }
}

function readLine(line: string): NoteLine | undefined {
  const [, name, encoded] = SIGNATURE.exec(line) ?? []
  const bytes = encoded === undefined ? undefined : fromBase64(encoded)
  if (name === undefined || bytes === undefined || bytes.length < 5) return undefined
  return { name, id: toHex(bytes.subarray(0, 4)), bytes: bytes.slice(4) }
}

/** `absent`: no line of this key. `unsupported`: this browser has no Ed25519. `at`: a witness's time, seconds since 1970. */
export type Signed =
  | { readonly state: 'signed'; readonly at: number | null }
  | { readonly state: 'absent' | 'wrong' | 'unsupported' }

/** Whether a key signed a checkpoint, by the platform's own Ed25519. */
export async function signedBy(note: Note, key: PublicKey): Promise<Signed> {
  const lines = note.signatures.filter(({ name, id }) => name === key.name && id === key.id)
  let state: Signed = { state: 'absent' }
  for (const line of lines) {
    state = await judged(note, line, key)
    if (state.state === 'signed' || state.state === 'unsupported') return state
  }
  return state
}

async function judged(note: Note, line: NoteLine, key: PublicKey): Promise<Signed> {
  if (key.kind === 'log') {
    if (line.bytes.length !== 64) return { state: 'wrong' }
    return verified(key, line.bytes, note.text, null)
  }
  if (line.bytes.length !== 72) return { state: 'wrong' }
  const seconds = Number(new DataView(line.bytes.buffer, line.bytes.byteOffset).getBigUint64(0))
  return verified(key, line.bytes.slice(8), `cosignature/v1\ntime ${seconds}\n${note.text}`, seconds)
}

async function verified(
  key: PublicKey,
  signature: Uint8Array<ArrayBuffer>,
  text: string,
  at: number | null,
): Promise<Signed> {
  let publicKey
  try {
    publicKey = await crypto.subtle.importKey('raw', key.bytes, { name: 'Ed25519' }, false, ['verify'])
  } catch {
    return { state: 'unsupported' }
  }
  const holds = await crypto.subtle.verify({ name: 'Ed25519' }, publicKey, signature, utf8(text))
  return holds ? { state: 'signed', at } : { state: 'wrong' }
}

/** The lines of a note that none of these keys is named by: signatures that nobody here vouches for. */
export function strangers(note: Note, keys: readonly PublicKey[]): readonly NoteLine[] {
  return note.signatures.filter(({ name, id }) => !keys.some((key) => key.name === name && key.id === id))
}
