import { MAX_REQUEST_BYTES } from '../access-request.ts'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { isObject } from './json-document.ts'

const ROOM_TO_SPARE = 1024

/**
 * A sample request grown to the size limit in two ways, as Rego input: many resources, and many parts of one. Everything
 * that carries a label is in both, once and used as the sample uses its first part: labels come from the bundle's own
 * catalogue, so a client can name more things than these but not more that are labelled.
 */
export function largestRequests(sample: JsonObject, labels: JsonObject): string[] {
  const own = list(sample.resources)
  const resource = firstOf(own, { type: 'table', name: 'self.test', labels: [], parts: [] })
  const part = { ...firstOf(list(resource.parts), { name: 'part', uses: ['output'] }), labels: [] }
  const partAt = (at: number): JsonValue => ({ ...part, name: `${nameOf(part)}_${at}` })
  const resourceAt = (at: number): JsonValue => ({ ...resource, name: `${nameOf(resource)}_${at}`, parts: [partAt(0)] })
  const known = [...own, ...labelledResources(labels, resource, part)]
  return [
    filled(sample, known, resourceAt, (items) => items),
    filled(sample, known, partAt, (parts) => [{ ...resource, name: `${nameOf(resource)}_0`, parts }]),
  ]
}

function labelledResources(labels: JsonObject, resource: JsonObject, part: JsonObject): JsonValue[] {
  return Object.entries(labels).map(([name, parts]) => ({ ...resource, name, parts: labelledParts(parts, part) }))
}

function labelledParts(parts: JsonValue, part: JsonObject): JsonValue[] {
  return isObject(parts) ? Object.entries(parts).map(([name, labels]) => ({ ...part, name, labels })) : []
}

function filled(
  sample: JsonObject,
  known: readonly JsonValue[],
  item: (at: number) => JsonValue,
  resources: (items: readonly JsonValue[]) => readonly JsonValue[],
): string {
  const taken = Buffer.byteLength(JSON.stringify({ ...sample, resources: known })) + ROOM_TO_SPARE
  // Later items are the longest: their numbers have more digits.
  const each = Buffer.byteLength(JSON.stringify(item(MAX_REQUEST_BYTES))) + 1
  const count = Math.max(Math.floor((MAX_REQUEST_BYTES - taken) / each), 0)
  const items = Array.from({ length: count }, (_item, at) => item(at))
  return JSON.stringify({ ...sample, resources: [...known, ...resources(items)] })
}

function firstOf(items: readonly JsonValue[], otherwise: JsonObject): JsonObject {
  const [first] = items
  return isObject(first) ? first : otherwise
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : []
}

function nameOf({ name }: JsonObject): string {
  return typeof name === 'string' ? name : 'self.test'
}
