import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import type { Checkpoint } from './checkpoint.ts'
import { asObject, asText, isCount, isLeaf, type RecordDraft } from './decision-record.ts'
import { decodeLine } from './line.ts'
import { eachLine } from './lines.ts'
import {
  isSameKey,
  parseNote,
  parseVerifier,
  signatureLine,
  signedBy,
  verifierText,
  type NoteSigner,
  type NoteVerifier,
} from './signed-note.ts'
import type { EvidenceStore } from './store.ts'
import { byAge } from './writers.ts'

/** One key of a log followed by the next: what the log was when both signed that it would. */
export interface Rotation extends Checkpoint {
  readonly old: NoteVerifier
  readonly new: NoteVerifier
}

/** Where a record stands in its writer's file. */
export interface RecordPlace {
  readonly writer: string
  readonly seq: number
}

// The second line is what keeps it from being read as a checkpoint, which has a number there.
function rotationText({ origin, size, root, old, new: next }: Rotation): string {
  const keys = `old ${verifierText(old)}\nnew ${verifierText(next)}\n`
  return `countersign/key-rotation/v1\norigin ${origin}\nsize ${size}\nroot ${root.toString('base64')}\n${keys}`
}

/** `key.rotated`: the record from which on, itself included, checkpoints are signed with the new key. */
export function rotationDraft(at: Checkpoint, old: NoteSigner, next: NoteSigner): RecordDraft {
  const text = rotationText({ ...at, old: old.verifier, new: next.verifier })
  return {
    event: 'key.rotated',
    detail: {
      old: verifierText(old.verifier),
      new: verifierText(next.verifier),
      size: at.size,
      root: at.root.toString('hex'),
      statement: `${text}\n${signatureLine(old, text)}${signatureLine(next, text)}`,
    },
  }
}

/** Reads `detail` of a key.rotated; undefined unless fields and statement say the same. `signed`: by both keys. */
export function parseRotation(detail: JsonObject | null): (Rotation & { readonly signed: boolean }) | undefined {
  const { size, root } = detail ?? {}
  const old = parseVerifier(asText(detail?.old) ?? '')
  const next = parseVerifier(asText(detail?.new) ?? '')
  const note = parseNote(asText(detail?.statement) ?? '')
  if (old === undefined || next === undefined || note === undefined || !isCount(size) || !isLeaf(root)) return undefined
  const rotation = { origin: old.name, size, root: Buffer.from(root, 'hex'), old, new: next }
  if (next.name !== old.name || isSameKey(old, next) || note.text !== rotationText(rotation)) return undefined
  return { ...rotation, signed: note.signatures.length === 2 && signedBy(note, old) && signedBy(note, next) }
}

/**
 * The key.rotated to this key that a start, killed before it could sign with it, has left: it is taken up, not written
 * again, since no checkpoint of the old key may cover it. Throws EvidenceError ERR_EVIDENCE_KEY for a key that the log
 * has rotated away from: each has one range.
 */
export async function findRotation(
  store: Pick<EvidenceStore, 'writers' | 'content'>,
  key: NoteVerifier,
): Promise<RecordPlace | undefined> {
  for (const { id } of (await store.writers()).toSorted(byAge)) {
    let found: number | undefined
    await eachLine(store.content('record', id), (line, number) => {
      const detail = line.includes('"key.rotated"') ? rotatedIn(line) : null
      if (detail === null) return
      if (isKey(detail.old, key)) throw keyAgain(`records/${id}.ndjson:${number}`)
      if (isKey(detail.new, key)) found ??= number
    })
    if (found !== undefined) return { writer: id, seq: found }
  }
  return undefined
}

function rotatedIn(line: Buffer): JsonObject | null {
  const decoded = decodeLine('record', line)
  const { event, detail } = decoded.kind === 'entry' ? decoded.entry : {}
  return event === 'key.rotated' ? asObject(detail) : null
}

function isKey(text: JsonValue | undefined, key: NoteVerifier): boolean {
  const parsed = parseVerifier(asText(text) ?? '')
  return parsed !== undefined && isSameKey(parsed, key)
}

/** A log is to rotate to a key that it has had. */
export function keyAgain(where: string): EvidenceError {
  const message = `${where}: expected a new key to rotate to; found one that the log has had before; make another with countersign evidence key`
  return new EvidenceError('ERR_EVIDENCE_KEY', message, { fatal: true })
}
