import type { JsonObject, JsonValue } from '../access-request.ts'
import { PolicyError } from '../errors.ts'
import { isObject } from './json-document.ts'

/** Where in `input` a policy looks: member names from the root, each path the shortest under which something is read. */
export type ReadPath = readonly string[]

/** `metadata.reads` of the manifest, as the compiler found it; null for a bundle without it. Throws PolicyError. */
export function readSetOf({ reads }: JsonObject): readonly ReadPath[] | null {
  if (reads === undefined) return null
  if (!Array.isArray(reads) || !reads.every(isPath)) {
    const message = "the policy bundle's manifest has metadata.reads that is no list of paths; build the bundle again"
    throw new PolicyError('ERR_POLICY_BUNDLE', message)
  }
  return reads
}

/** Whether a policy of this read-set (null: nobody knows) looks at anything at, above or below one of the places. */
export function readsAny(reads: readonly ReadPath[] | null, places: readonly ReadPath[]): boolean {
  if (reads === null) return places.length > 0
  return places.some((place) => reads.some((path) => isAlong(path, place)))
}

function isAlong(one: ReadPath, other: ReadPath): boolean {
  return one.every((name, at) => at >= other.length || name === other[at])
}

function isPath(value: JsonValue): value is ReadPath {
  return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string')
}

/** A document with nothing in it but what the paths reach: to a policy that reads no more it is the same. */
export function onlyWhatIsRead(document: JsonObject, paths: readonly ReadPath[]): JsonObject {
  const members = Map.groupBy(paths, ([name = '']) => name)
  const kept: [string, JsonValue][] = []
  for (const [name, below] of members) {
    if (!Object.hasOwn(document, name)) continue
    const value = document[name] ?? null
    const deeper = below.map((path) => path.slice(1))
    if (deeper.some((path) => path.length === 0) || !isObject(value)) kept.push([name, value])
    else kept.push([name, onlyWhatIsRead(value, deeper)])
  }
  return Object.fromEntries(kept)
}
