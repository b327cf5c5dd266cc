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
  const checkpoint = parseAnyCheckpoint(text)
  return checkpoint !== undefined && checkpointText(checkpoint) === checkpoint.note.text ? checkpoint : undefined
}

/** A checkpoint of any log: as C2SP has it, lines that extend it may follow, which a witness signs and does not read. */
export function parseAnyCheckpoint(text: string): SignedCheckpoint | undefined {
  const note = parseNote(text)
  if (note === undefined) return undefined
  const [origin, size, encoded, ...extensions] = note.text.split('\n')
  const root = encoded === undefined ? undefined : fromBase64(encoded)
  if (origin === undefined || origin === '' || size === undefined || !SIZE.test(size)) return undefined
  if (root?.length !== 32 || extensions.indexOf('') !== extensions.length - 1) return undefined
  return Number.isSafeInteger(Number(size)) ? { origin, size: Number(size), root, note } : undefined
}
