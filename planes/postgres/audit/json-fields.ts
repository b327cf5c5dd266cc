import type { JsonObject, JsonValue } from '../../../engine/index.ts'

/** Members of parsed JSON, read as what they should be. An object that isn't there reads as an empty one. */
export function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return typeof value === 'object' && value !== null && isList(value) ? value : []
}

export function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

export function textsOf(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((each) => typeof each === 'string')
}

export function numberOf(value: JsonValue | undefined): number | null {
  return typeof value === 'number' ? value : null
}

/** RFC 3339 as milliseconds since 1970. */
export function timeOf(value: JsonValue | undefined): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(ms) ? null : ms
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
