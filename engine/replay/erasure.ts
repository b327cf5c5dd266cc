import type { Entry } from './entry.ts'
import { listOf, numberOf, objectOf, textOf } from './json.ts'

/** `retention.applied`: payloads of stretches of a writer's files were erased, under which rule and why. */
export interface Erasure {
  readonly at: string
  readonly record: string
  readonly rule: string | null
  readonly reason: string | null
}

export function erasureOf({ fields }: Entry): Erasure {
  const { rule, reason } = objectOf(fields['detail'])
  return {
    at: textOf(fields['ts']) ?? '',
    record: textOf(fields['id']) ?? '',
    rule: textOf(rule),
    reason: textOf(reason),
  }
}

/** Whether a record tells that the payload beside this entry was erased. */
export function erases(
  { fields }: Pick<Entry, 'fields'>,
  { kind, fields: entry }: Pick<Entry, 'kind' | 'fields'>,
): boolean {
  if (fields['event'] !== 'retention.applied') return false
  const seq = numberOf(entry['seq']) ?? 0
  return listOf(objectOf(fields['detail'])['erased']).some((value) => {
    const range = objectOf(value)
    const [from, to] = [numberOf(range['from']), numberOf(range['to'])]
    const isOfFile = range['kind'] === kind && range['writer'] === entry['writer_id']
    return isOfFile && from !== null && to !== null && from <= seq && seq <= to
  })
}
