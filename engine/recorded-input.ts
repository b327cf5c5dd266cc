import { hash } from 'node:crypto'
import { seenBlock, type AccessRequest, type JsonObject, type JsonValue } from './access-request.ts'
import { canonicalJson, type StoredRecord } from './evidence/index.ts'
import { isObject } from './policy/index.ts'

/*
 * A decision's record holds what policy saw of its request in several places: principal, action and resources in the entry,
 * the rest in the payload. Here that is put in, and put together again for a replay.
 */

/**
 * What the payload needs beside block and values. `input` is the digest of the whole input, where the record holds all of it:
 * where values were masked on their way into the record there is none, because a digest of them would tell them to whoever
 * tries them all.
 */
export function recordedInput(request: AccessRequest): JsonObject {
  const { context, recorded, resources, block } = request
  const judged = seenBlock(request)
  const { plane, session, time, source, transaction, approvals, grants } = context
  const seen = {
    ...{ plane, session, time, source, transaction, approvals: approvals.map(({ id, rule }) => ({ id, rule })) },
    ...(grants === undefined ? {} : { grants: grants.map((grant) => ({ ...grant })) }),
  }
  if (recorded.resources !== resources || recorded.block !== block) return { context: seen }
  const { principal, action } = request
  return { context: seen, input: digestOf({ principal, action, resources, context, [plane]: judged }) }
}

function digestOf(input: object): string {
  return hash('sha256', canonicalJson(input))
}

/** A recorded decision as policy was asked for it. */
export interface RecordedRequest {
  readonly kind: 'request'
  readonly plane: string
  /** The Rego input document, digest checked. */
  readonly input: string
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
  const { block, values, context, input: digest } = payload
  if (!isObject(context)) return unreplayable('no request was judged, or the record is of an earlier version')
  if (typeof digest !== 'string') return unreplayable('values in it were masked before they were recorded')
  const { plane, time } = context
  const resources = withValues(fields.resources, values)
  if (typeof plane !== 'string' || !isObject(block) || resources === undefined) return unreplayable('it is not whole')
  const input = { principal: principal ?? null, action: action ?? null, resources, context, [plane]: block }
  if (digestOf(input) !== digest) return unreplayable('what it holds is not what was judged: the digests differ')
  const at = Date.parse(typeof time === 'string' ? time : record.ts)
  if (Number.isNaN(at)) return unreplayable('it tells no time')
  return {
    kind: 'request',
    plane,
    input: JSON.stringify(input),
    nowMs: at,
    nondeterministic: isObject(nondeterministic) ? nondeterministic : null,
  }
}

function unreplayable(why: string): Unreplayable {
  return { kind: 'unreplayable', why }
}

/** The values that are written stand apart in the payload, in the order of their parts, because they can be erased. */
function withValues(resources: JsonValue | undefined, values: JsonValue | undefined): JsonValue | undefined {
  if (!isList(resources) || !isList(values)) return undefined
  const left = [...values]
  return resources.map((resource) => {
    if (!isObject(resource) || !isList(resource.parts)) return resource
    return { ...resource, parts: resource.parts.map((part) => withValue(part, resource.name, left)) }
  })
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
