import { fromBase64, parseNote, signatureLine, type NoteSigner, type SignedNote } from './signed-note.ts'

/** C2SP tlog-checkpoint: which log, how many records, and the root of the tree over them. */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
}

export interface SignedCheckpoint extends Checkpoint {
  readonly note: SignedNote
}

const SIZE = /^(?:0|[1-9]\d{0,15})$/

export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

export function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): string {
  const text = checkpointText(checkpoint)
  return `${text}\n${signatureLine(signer, text)}`
}

/** Strict, and without extension lines, which this log never writes; undefined for anything else. Checks no signature. */
export function parseCheckpoint(text: string): SignedCheckpoint | undefined {
  const note = parseNote(text)
  if (note === undefined) return undefined
  const [origin, size, encoded, rest, ...more] = note.text.split('\n')
  const root = encoded === undefined ? undefined : fromBase64(encoded)
  if (origin === undefined || origin === '' || size === undefined || !SIZE.test(size)) return undefined
  if (root?.length !== 32 || rest !== '' || more.length > 0 || !Number.isSafeInteger(Number(size))) return undefined
  return { origin, size: Number(size), root, note }
}
