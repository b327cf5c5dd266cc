import type { JsonObject, JsonValue } from '../../../engine/index.ts'

/** Members of a structure that a shape has checked already, by what the caller knows them to be. */
export function textOf(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null
}

export function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return value !== undefined && value !== null && isList(value) ? value : []
}

export function textsOf(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((each) => typeof each === 'string')
}

// Array.isArray doesn't narrow a readonly array by itself.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
