import type { JsonObject, JsonValue } from '../access-request.ts'

/**
 * The input as it would have come with a candidate's own labels in force: a request is normalized under the live policy's.
 * `json`: as it was sealed. Resource and part names stay what the plane made of them.
 */
export function relabelled(json: string, plane: string, data: JsonObject): string {
  const input: { readonly resources: readonly Labelled[] } & JsonObject = JSON.parse(json)
  const labels = at(at(data['labels'], plane))
  const resources = input.resources.map((resource) => {
    const own = at(labels[resource.name])
    return { ...resource, parts: resource.parts.map((part) => ({ ...part, labels: own[part.name] ?? [] })) }
  })
  return JSON.stringify({ ...input, resources })
}

interface Labelled extends JsonObject {
  readonly name: string
  readonly parts: readonly ({ readonly name: string } & JsonObject)[]
}

function at(value: JsonValue | undefined, key?: string): JsonObject {
  const found = key === undefined ? value : at(value)[key]
  return typeof found === 'object' && found !== null && !isList(found) ? found : {}
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
