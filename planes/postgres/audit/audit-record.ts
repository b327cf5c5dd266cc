import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { objectOf, textOf, timeOf } from './json-fields.ts'

/** A record as it lies in evidence, with what of it is kept beside it. */
export interface AuditRecord {
  readonly fields: JsonObject
  /** undefined: there is none; null: erased by retention. */
  readonly payload: JsonValue | null | undefined
}

/** Reads evidence from its first record, once a call. */
export type ReadRecords = () => AsyncIterable<AuditRecord>

/** What reconciliation and the audit log need of a record. */
export interface ReadRecord {
  readonly id: string
  readonly event: string
  readonly writer: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly session: string | null
  readonly decision: string | null
  readonly fields: JsonObject
  readonly detail: JsonObject
  /** The plane's own block of a decision: empty where it has none, null where it was erased. */
  readonly block: JsonObject | null
}

export function readRecord({ fields, payload }: AuditRecord): ReadRecord {
  return {
    id: textOf(fields['id']) ?? '',
    event: textOf(fields['event']) ?? '',
    writer: textOf(fields['writer_id']) ?? '',
    time: timeOf(fields['ts']) ?? 0,
    session: textOf(fields['session']),
    decision: textOf(fields['decision']),
    fields,
    detail: objectOf(fields['detail']),
    block: payload === null ? null : objectOf(objectOf(payload)['block']),
  }
}
