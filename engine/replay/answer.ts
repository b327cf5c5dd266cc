import type { Entry } from './entry.ts'
import { listOf, numberOf, objectOf, textOf, type JsonObject, type JsonValue } from './json.ts'

/** A value as the agent got it: text, NULL, or bytes that the server sent in binary. */
export type Cell = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'null' } | Binary
interface Binary {
  readonly kind: 'binary'
  readonly base64: string
}

export interface Column {
  readonly name: string
  /** What hides it; null where it is shown as it is. */
  readonly mask: { readonly field: string; readonly method: string } | null
}

/** What came back for one statement: the masked view, as recorded. */
export interface Answer {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  /** All rows that the agent got, and their bytes on the wire; null where the recording breaks off. */
  readonly count: number | null
  readonly bytes: number | null
  /** Over every row as it left, hex. */
  readonly digest: string | null
  /** How much of the rows was kept. */
  readonly kept: 'whole' | 'sample' | 'digest' | null
  /** The server's tag (`SELECT 5`), or its SQLSTATE where it failed. */
  readonly end: string | null
  readonly error: string | null
  /** Leaves of the entries that held parts of it and whose payload was erased since. */
  readonly erased: readonly string[]
}

/**
 * Puts the answer to one statement together again: its frames, and what the payload of the record that tells its outcome holds;
 * null where there is neither.
 */
export function answerOf(frames: readonly Entry[], outcome: Entry | undefined): Answer | null {
  const last = outcome === undefined || textOf(objectOf(outcome.fields['outcome'])['answer']) === null ? [] : [outcome]
  const parts = [...frames, ...last]
  return parts.length === 0 ? null : answerFrom(parts, [...frames.map(bodyOf), ...last.map(answerIn)])
}

function answerIn({ payload }: Entry): JsonObject {
  return objectOf(objectOf(payload ?? undefined)['answer'])
}

function answerFrom(parts: readonly Entry[], bodies: readonly JsonObject[]): Answer {
  const heading = bodies.find((body) => body['columns'] !== undefined)
  const last = bodies.find((body) => body['count'] !== undefined) ?? {}
  return {
    columns: listOf(heading?.['columns']).map(columnOf),
    rows: bodies.flatMap((body) => listOf(body['rows']).map((row) => listOf(row).map(cellOf))),
    count: numberOf(last['count']),
    bytes: numberOf(last['bytes']),
    digest: textOf(last['sha256']),
    kept: parts.some(({ fields }) => fields['truncated'] === true) ? 'digest' : keptOf(last, bodies),
    end: textOf(last['end']),
    error: textOf(last['error']),
    erased: parts.filter(({ payload }) => payload === null).map(({ leaf }) => leaf),
  }
}

// Before payloads stood beside their entries, a frame held its body itself.
function bodyOf({ payload, fields }: Entry): JsonObject {
  return objectOf(payload === undefined ? fields['body'] : payload)
}

function keptOf(last: JsonObject, bodies: readonly JsonObject[]): Answer['kept'] {
  const { kept, whole } = last
  if (kept === 'whole' || kept === 'sample' || kept === 'digest') return kept
  if (typeof whole !== 'boolean') return null
  return whole ? 'whole' : bodies.some((body) => listOf(body['rows']).length > 0) ? 'sample' : 'digest'
}

function columnOf(value: JsonValue): Column {
  const { name, field, method } = objectOf(value)
  const mask = typeof field === 'string' && typeof method === 'string' ? { field, method } : null
  return { name: textOf(name) ?? '', mask }
}

function cellOf(value: JsonValue): Cell {
  if (value === null) return { kind: 'null' }
  if (typeof value === 'string') return { kind: 'text', text: value }
  const base64 = textOf(objectOf(value)['base64'])
  return base64 === null ? { kind: 'text', text: JSON.stringify(value) } : { kind: 'binary', base64 }
}
