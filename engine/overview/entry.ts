import type { JsonObject, JsonValue } from '../access-request.ts'
import { asObject, asText, entryFields } from '../evidence/index.ts'

export { asObject, asText }

/** A record's fields, without its payload, which is not looked at. Null for a line that is none: a verifier says what is wrong. */
export function fieldsOf(line: Buffer): JsonObject | null {
  return entryFields('record', line)
}

export function textAt(fields: JsonObject, ...path: readonly string[]): string | null {
  return asText(valueAt(fields, path))
}

export function countAt(fields: JsonObject, ...path: readonly string[]): number | null {
  const value = valueAt(fields, path)
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null
}

export function objectsAt(fields: JsonObject, name: string): readonly JsonObject[] {
  const value = fields[name]
  return isList(value) ? value.map((each) => asObject(each)).filter((each) => each !== null) : []
}

export function textsAt(fields: JsonObject, name: string): readonly string[] {
  const value = fields[name]
  return isList(value) ? value.filter((each) => typeof each === 'string') : []
}

function valueAt(fields: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = fields
  for (const name of path) value = asObject(value)?.[name]
  return value
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
