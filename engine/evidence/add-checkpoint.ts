import { parseAnyCheckpoint, type SignedCheckpoint } from './checkpoint.ts'
import { fromBase64 } from './signed-note.ts'

/** C2SP tlog-witness: no tree that can be has a longer proof. */
const MAX_PROOF = 63
const OLD = /^old (0|[1-9]\d{0,15})$/

/** The body of `POST /add-checkpoint`: a checkpoint, and what shows that it continues the one that was cosigned last. */
export interface AddCheckpoint {
  /** The size that the proof begins at. */
  readonly old: number
  readonly proof: readonly Uint8Array[]
  readonly checkpoint: SignedCheckpoint
}

export function addCheckpointText(old: number, proof: readonly Uint8Array[], checkpoint: string): string {
  const lines = proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`)
  return `old ${old}\n${lines.join('')}\n${checkpoint}`
}

/** Strict: one spelling only; undefined for anything else. */
export function parseAddCheckpoint(text: string): AddCheckpoint | undefined {
  const end = text.indexOf('\n\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\n')
  const old = Number(OLD.exec(first)?.[1] ?? Number.NaN)
  const proof = lines.map(fromBase64).filter((hash) => hash?.length === 32)
  const checkpoint = parseAnyCheckpoint(text.slice(end + 2))
  if (!Number.isSafeInteger(old) || checkpoint === undefined) return undefined
  if (proof.length !== lines.length || proof.length > MAX_PROOF) return undefined
  return { old, proof: proof.filter((hash) => hash !== undefined), checkpoint }
}
