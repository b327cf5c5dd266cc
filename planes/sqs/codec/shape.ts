import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { ProtocolError } from '../../../engine/index.ts'

/** What a member of a request or an answer may hold. `name`: what the Query protocol calls it, where that is another name. */
export type Shape =
  | { readonly kind: 'string' }
  | { readonly kind: 'integer' }
  | { readonly kind: 'number' }
  | { readonly kind: 'boolean' }
  /** Base64, in both protocols. */
  | { readonly kind: 'blob' }
  | { readonly kind: 'list'; readonly name: string; readonly of: Shape }
  | { readonly kind: 'map'; readonly name: string; readonly key: string; readonly value: string; readonly of: Shape }
  | { readonly kind: 'structure'; readonly members: Members }

export type Members = Readonly<Record<string, Shape>>

export const text: Shape = { kind: 'string' }
export const integer: Shape = { kind: 'integer' }
export const number: Shape = { kind: 'number' }
export const flag: Shape = { kind: 'boolean' }
export const blob: Shape = { kind: 'blob' }
export const list = (name: string, of: Shape = text): Shape => ({ kind: 'list', name, of })
export const map = (name: string, key: string, value: string, of: Shape = text): Shape => ({
  kind: 'map',
  name,
  key,
  value,
  of,
})
export const structure = (members: Members): Shape => ({ kind: 'structure', members })

/** What a stranger's members do: a request with one is refused, of an answer they are left out. */
export type Strangers = 'refuse' | 'drop'

/** A copy of a structure's known members, each of its kind; null counts as absent. Throws ProtocolError naming the member. */
export function readMembers(members: Members, value: unknown, strangers: Strangers, at: string): JsonObject {
  if (!isPlain(value)) throw wrong(at, 'an object')
  const known: [string, JsonValue][] = []
  for (const [name, inner] of Object.entries(value)) {
    const shape = Object.hasOwn(members, name) ? members[name] : undefined
    if (shape === undefined) {
      if (strangers === 'refuse') throw wrong(at === '' ? name : `${at}.${name}`, 'no such member')
    } else if (inner !== null) {
      known.push([name, readShape(shape, inner, strangers, at === '' ? name : `${at}.${name}`)])
    }
  }
  return Object.fromEntries(known)
}

function readShape(shape: Shape, value: unknown, strangers: Strangers, at: string): JsonValue {
  switch (shape.kind) {
    case 'string':
      if (typeof value !== 'string') throw wrong(at, 'a string')
      return value
    case 'integer':
      if (!Number.isSafeInteger(value)) throw wrong(at, 'a whole number')
      return Number(value)
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(at, 'a number')
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(at, 'true or false')
      return value
    case 'blob':
      if (typeof value !== 'string' || !isBase64(value)) throw wrong(at, 'base64')
      return value
    case 'list':
      if (!Array.isArray(value)) throw wrong(at, 'a list')
      return value.map((each, index) => readShape(shape.of, each, strangers, `${at}[${index}]`))
    case 'map':
      if (!isPlain(value)) throw wrong(at, 'a map')
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, readShape(shape.of, inner, strangers, `${at}[…]`)]),
      )
    case 'structure':
      return readMembers(shape.members, value, strangers, at)
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** As RFC 4648 section 4 writes it, padding included: a decoder that is more generous reads other bytes than we did. */
export function isBase64(value: string): boolean {
  return Buffer.from(value, 'base64').toString('base64') === value
}

function wrong(at: string, expected: string): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', `${at === '' ? 'the request' : at}: expected ${expected}`)
}
