import type { JsonObject } from './json.ts'
import { numberOf, objectOf, textOf } from './json.ts'
import { readNote, readPublicKey, signedBy, type CheckpointNote, type PublicKey } from './note.ts'
import type { ProvenEntry } from './session-evidence.ts'

/** The key that must have signed a checkpoint, and through how many rotations it is known; or why there is none. */
export type DueKey =
  | { readonly kind: 'key'; readonly key: PublicKey; readonly rotations: number }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * Follows a log's key from one that is trusted to the one that is due at this checkpoint: `key.rotated` hands over, signed
 * by the key before and the key after, and takes effect with the first checkpoint that covers it. `key.compromised` ends
 * the trust in a key from a size on. A key that the log had later, or has now, is followed from where it came in.
 */
export async function dueKey(
  note: CheckpointNote,
  trusted: PublicKey,
  records: readonly ProvenEntry[],
): Promise<DueKey> {
  let key = trusted
  let rotations = 0
  for (const record of records) {
    if (record.fields['event'] !== 'key.rotated' || record.index === null || record.index >= note.size) continue
    const next = await rotationOf(objectOf(record.fields['detail']), key)
    if (next === 'forged')
      return refused(`leaf ${record.index} says that the key was rotated, and not both keys signed that`)
    if (next === null) continue
    key = next
    rotations += 1
  }
  const from = records.flatMap(({ fields }) => compromisedFrom(fields, key)).toSorted((one, other) => one - other)[0]
  if (from !== undefined && note.size > from)
    return refused(`${key.name}+${key.id} was compromised from ${from} records on`)
  return { kind: 'key', key, rotations }
}

/** The key that this one gave way to; null where the rotation is none of its. */
async function rotationOf(detail: JsonObject, key: PublicKey): Promise<PublicKey | 'forged' | null> {
  const [oldText, newText] = [textOf(detail['old']) ?? '', textOf(detail['new']) ?? '']
  const [before, after] = [await readPublicKey(oldText), await readPublicKey(newText)]
  if (before === undefined || after === undefined) return 'forged'
  if (!isSame(before, key)) return null
  const statement = readNote(textOf(detail['statement']) ?? '')
  if (statement === undefined || statement.text !== statementOf(detail, key.name)) return 'forged'
  const signed = await Promise.all([before, after].map((each) => signedBy(statement, each)))
  return signed.every(({ state }) => state === 'signed') && after.name === key.name ? after : 'forged'
}

function statementOf({ size, root, old, new: next }: JsonObject, origin: string): string {
  const bytes = (textOf(root)?.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
  const base64 = btoa(String.fromCharCode(...bytes))
  const keys = `old ${textOf(old) ?? ''}\nnew ${textOf(next) ?? ''}\n`
  return `countersign/key-rotation/v1\norigin ${origin}\nsize ${numberOf(size) ?? ''}\nroot ${base64}\n${keys}`
}

function compromisedFrom({ event, detail }: JsonObject, key: PublicKey): readonly number[] {
  const { key: text, from } = objectOf(detail)
  const isIts = typeof text === 'string' && text.startsWith(`${key.name}+${key.id}+`)
  return event === 'key.compromised' && isIts && typeof from === 'number' ? [from] : []
}

function isSame(one: PublicKey, other: PublicKey): boolean {
  return one.name === other.name && one.id === other.id && one.kind === other.kind
}

function refused(why: string): DueKey {
  return { kind: 'refused', why }
}
