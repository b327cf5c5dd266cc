import { constant, type FieldMask, type JsonObject } from '../../../engine/index.ts'

/**
 * JSON characters of column names in one answer's recording. A name can't be longer than 63 bytes but may be all escapes,
 * and 1,664 of them must not push the rows beside them out of a frame: the columns after these have none.
 */
const NAME_CHARACTERS = 8 * 1024

/** A column of an answer as a replay shows it: its name, and what hides it. */
export type AnswerColumn = JsonObject & { readonly name: string }

type Named = Pick<AnswerColumn, 'name'>

const PLAIN = new WeakMap<readonly Named[], readonly AnswerColumn[]>()

/** Names the columns of an answer by lineage, or where that can't tell by the server's own description; `masks` by position. The same list again where nothing is masked. */
export function answerColumns(
  outputs: readonly Named[],
  masks: readonly (FieldMask & { readonly index: number })[],
): readonly AnswerColumn[] {
  if (masks.length > 0) return named(outputs, new Map(masks.map((mask) => [mask.index, mask])))
  let columns = PLAIN.get(outputs)
  if (columns === undefined) {
    columns = constant(named(outputs, new Map()))
    PLAIN.set(outputs, columns)
  }
  return columns
}

function named(outputs: readonly Named[], masks: ReadonlyMap<number, FieldMask>): readonly AnswerColumn[] {
  const columns: AnswerColumn[] = []
  let characters = 0
  for (const [index, { name }] of outputs.entries()) {
    const mask = masks.get(index)
    const column = mask === undefined ? { name } : { name, field: mask.field, method: mask.method }
    characters += JSON.stringify(column).length
    if (characters > NAME_CHARACTERS) break
    columns.push(column)
  }
  return columns
}
