import type { JsonObject, JsonValue } from '../access-request.ts'
import { PolicyError } from '../errors.ts'

const MAX_DEPTH = 100
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON file of a bundle: its value, deep-frozen, and OPA's canonical text of it. */
export interface JsonDocument {
  readonly value: JsonObject
  /** What OPA hashes in place of the file: keys sorted, no white space, numbers as they were written. */
  readonly canonical: string
}

/** A number as the file writes it, for the canonical text, which keeps `1.0` and `1` apart. */
class WrittenNumber {
  readonly value: number
  readonly source: string

  constructor(value: number, source: string) {
    this.value = value
    this.source = source
  }
}

/**
 * Parses a bundle's JSON file. Throws PolicyError ERR_POLICY_DATA for what is not one JSON object, nests too deep, holds
 * text that is not Unicode, or a number that a 64-bit float can't carry: policy and gateway would see two values.
 */
export function parseDocument(name: string, bytes: Uint8Array): JsonDocument {
  const tree = parse(name, bytes)
  const value = freeze(name, tree, 0)
  if (!isObject(value)) {
    throw new PolicyError('ERR_POLICY_DATA', `${name} is ${kindOf(value)}; expected a JSON object`)
  }
  return { value, canonical: canonical(tree) }
}

function parse(name: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(UTF8.decode(bytes), (_key, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' ? new WrittenNumber(value, context?.source ?? String(value)) : value,
    )
  } catch (cause) {
    throw new PolicyError('ERR_POLICY_DATA', `${name} is not valid JSON in UTF-8`, { cause })
  }
}

function freeze(name: string, value: unknown, depth: number): JsonValue {
  if (depth > MAX_DEPTH) throw new PolicyError('ERR_POLICY_DATA', `${name} nests deeper than ${MAX_DEPTH} levels`)
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return wellFormed(name, value)
  if (value instanceof WrittenNumber) return exact(name, value)
  if (Array.isArray(value)) return Object.freeze(value.map((item: unknown) => freeze(name, item, depth + 1)))
  if (typeof value === 'object') return freezeObject(name, value, depth)
  throw new PolicyError('ERR_POLICY_DATA', `${name} holds a ${typeof value}`)
}

/** No prototype: a key `constructor` or `__proto__` in the file is a key like any other. */
function freezeObject(name: string, value: object, depth: number): JsonObject {
  const copy: Record<string, JsonValue> = Object.create(null)
  for (const [key, item] of Object.entries(value)) copy[wellFormed(name, key)] = freeze(name, item, depth + 1)
  return Object.freeze(copy)
}

function exact(name: string, { value, source }: WrittenNumber): number {
  if (Number.isFinite(value) && significant(String(value)) === significant(source)) return value
  throw new PolicyError(
    'ERR_POLICY_DATA',
    `${name} holds the number ${source}, which loses digits; write it as a string`,
  )
}

/** The digits that tell a number, wherever its point and exponent put them. */
function significant(written: string): string {
  const [mantissa = ''] = written.toLowerCase().split('e')
  return mantissa.replaceAll(/[-.]/g, '').replaceAll(/^0+|0+$/g, '')
}

function wellFormed(name: string, text: string): string {
  if (text.isWellFormed()) return text
  throw new PolicyError('ERR_POLICY_DATA', `${name} holds text that is not valid Unicode`)
}

/** OPA's walk (v1/bundle/hash.go): the text of Go's encoding/json without HTML escapes, objects by their keys' bytes. */
function canonical(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (value instanceof WrittenNumber) return value.source
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).toSorted(([one], [other]) =>
    Buffer.compare(Buffer.from(one), Buffer.from(other)),
  )
  return `{${members.map(([key, item]) => `${quote(key)}:${canonical(item)}`).join(',')}}`
}

/** Go escapes the two line separators that JavaScript leaves alone. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll(/[\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`)
}

/** Whether a JSON value is an object: neither null nor an array. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
