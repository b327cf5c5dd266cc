import { sign, verify } from 'node:crypto'
import {
  noteLine,
  parseSignerOf,
  parseVerifierOf,
  signerOf,
  type NoteSignature,
  type SignedNote,
  type SignerOf,
  type VerifierOf,
} from './signed-note.ts'

/** C2SP tlog-cosignature: a timestamped Ed25519 signature, cosignature/v1. */
const COSIGNATURE_V1 = 0x04
const TIME_BYTES = 8
const SIGNATURE_BYTES = 64

/** A witness's public key. */
export type CosignatureVerifier = VerifierOf<typeof COSIGNATURE_V1>
/** A witness's own key. */
export type Cosigner = SignerOf<typeof COSIGNATURE_V1>

/** A key pair from 32 random bytes; undefined when the name has white space or a plus in it. */
export function cosignerFromSeed(name: string, seed: Uint8Array): Cosigner | undefined {
  return signerOf(COSIGNATURE_V1, name, seed)
}

/** `PRIVATE+KEY+name+id+base64(4, seed)`; undefined for anything else. A log's own key is something else. */
export function parseCosigner(text: string): Cosigner | undefined {
  return parseSignerOf(COSIGNATURE_V1, text)
}

/** `name+id+base64(4, public key)`; undefined for anything else. */
export function parseCosignatureVerifier(text: string): CosignatureVerifier | undefined {
  return parseVerifierOf(COSIGNATURE_V1, text)
}

/** The line by which a witness signs a checkpoint's text; `seconds` since 1970. */
export function cosignatureLine({ verifier, key }: Cosigner, text: string, seconds: number): string {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeBigUInt64BE(BigInt(seconds))
  return noteLine(verifier, Buffer.concat([time, sign(null, message(text, seconds), key)]))
}

/** When this witness signed the note, in seconds since 1970: the latest where it did more than once; undefined: it didn't. */
export function cosignedAt({ text, signatures }: SignedNote, verifier: CosignatureVerifier): number | undefined {
  const times = signatures.map((signature) => timeOf(text, signature, verifier)).filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.max(...times)
}

function timeOf(text: string, { name, id, bytes }: NoteSignature, verifier: CosignatureVerifier): number | undefined {
  if (name !== verifier.name || !id.equals(verifier.id) || bytes.length !== TIME_BYTES + SIGNATURE_BYTES)
    return undefined
  const seconds = Number(bytes.readBigUInt64BE())
  if (!Number.isSafeInteger(seconds)) return undefined
  return verify(null, message(text, seconds), verifier.key, bytes.subarray(TIME_BYTES)) ? seconds : undefined
}

// The header keeps a cosignature from being passed off as a log's signature, and the other way round.
function message(text: string, seconds: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)
}
