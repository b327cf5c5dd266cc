import { constant, type AccessRequest, type JsonObject, type JsonValue } from './access-request.ts'
import type { StoredRecord } from './evidence/index.ts'
import { isObject, type ReadPath } from './policy/index.ts'

/*
 * A decision's record holds what policy saw of its request in several places: principal, action and resources in the entry,
 * the rest in the payload. Here that is put in, and put together again for a replay.
 */

/**
 * What the payload needs beside block and values. `masked`: where in the input policy saw another value than the record
 * holds; everywhere else they are the same. Empty for most.
 */
export function recordedInput({ context, recorded, resources, block }: AccessRequest): JsonObject {
  const masked: ReadPath[] = []
  if (!isSame(resources, recorded.resources)) masked.push(['resources'])
  addMasked(block, recorded.block, [context.plane], masked)
  return { context: { ...context }, masked: masked.length === 0 ? NONE_MASKED : masked }
}

const NONE_MASKED: readonly ReadPath[] = constant([])

/** Members of objects one by one, so that a policy that reads one is not taken for one that reads another; lists whole. */
function addMasked(seen: JsonObject, recorded: JsonObject, at: ReadPath, masked: ReadPath[]): void {
  if (seen === recorded) return
  for (const name of new Set([...Object.keys(seen), ...Object.keys(recorded)])) {
    const [one, other] = [seen[name], recorded[name]]
    if (isObject(one) && isObject(other)) addMasked(one, other, [...at, name], masked)
    else if (!isSame(one, other)) masked.push([...at, name])
  }
}

// A plane that has something to mask copies what it doesn't: the copy is no other value.
function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other)
}

/** A recorded decision as policy was asked for it. */
export interface RecordedRequest {
  readonly kind: 'request'
  readonly plane: string
  /** The Rego input document, but for what stands at `masked`. */
  readonly input: string
  /** Where in it the record holds a mask in place of what policy saw. */
  readonly masked: readonly ReadPath[]
  readonly nowMs: number
  readonly nondeterministic: JsonObject | null
}

export interface Unreplayable {
  readonly kind: 'unreplayable'
  readonly why: string
}

/** The input that a decision's record tells, or why it tells none. */
export function rebuiltInput({ record, fields, payload }: StoredRecord): RecordedRequest | Unreplayable {
  if (payload === null) return unreplayable('its payload was erased')
  if (!isObject(payload)) return unreplayable('it has no payload')
  const { principal, action, nondeterministic } = fields
  const { block, values, context } = payload
  const masked = pathsIn(payload.masked)
  if (!isObject(context) || masked === undefined) {
    return unreplayable('no request was judged, or the record is of an earlier version')
  }
  const { plane, time } = context
  const resources = withValues(fields.resources, values)
  if (typeof plane !== 'string' || !isObject(block) || resources === undefined) return unreplayable('it is not whole')
  const input = { principal: principal ?? null, action: action ?? null, resources, context, [plane]: block }
  const at = Date.parse(typeof time === 'string' ? time : record.ts)
  if (Number.isNaN(at)) return unreplayable('it tells no time')
  return {
    kind: 'request',
    plane,
    input: JSON.stringify(input),
    masked,
    nowMs: at,
    nondeterministic: isObject(nondeterministic) ? nondeterministic : null,
  }
}

function unreplayable(why: string): Unreplayable {
  return { kind: 'unreplayable', why }
}

function pathsIn(value: JsonValue | undefined): readonly ReadPath[] | undefined {
  if (!isList(value)) return undefined
  const paths = value.map((path) => (isList(path) ? path.filter((name) => typeof name === 'string') : []))
  return paths.every((path) => path.length > 0) ? paths : undefined
}

/** The values that are written stand apart in the payload, in the order of their parts, because they can be erased. */
function withValues(resources: JsonValue | undefined, values: JsonValue | undefined): JsonValue | undefined {
  if (!isList(resources) || !isList(values)) return undefined
  const left = [...values]
  const whole = resources.map((resource) => {
    if (!isObject(resource) || !isList(resource.parts)) return resource
    return { ...resource, parts: resource.parts.map((part) => withValue(part, resource.name, left)) }
  })
  return left.length === 0 ? whole : undefined
}

/** Takes the next values where they are this part's. */
function withValue(part: JsonValue, resource: JsonValue | undefined, left: JsonValue[]): JsonValue {
  const [next] = left
  if (!isObject(part) || !isObject(next) || next.resource !== resource || next.part !== part.name) return part
  if (next.values === undefined || !isList(part.uses) || !part.uses.includes('written')) return part
  left.shift()
  return { ...part, values: next.values }
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
