import { isConstant } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'

/** Deeper nesting is refused: a parser or a stack that gives up on a record would hide it from an auditor. */
const MAX_DEPTH = 128

/**
 * The one byte form of a JSON value (RFC 8785): no white space, members by UTF-16 code units of their names, numbers and
 * strings as ECMAScript prints them. A member that is undefined is left out, as JSON.stringify does.
 * Throws EvidenceError ERR_EVIDENCE_RECORD for whatever has no such form: NaN, a lone surrogate, a Date, a cycle.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0)
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return writeString(value)
  if (typeof value === 'number') return writeNumber(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value !== 'object') throw refused(`a value of type ${typeof value}`)
  if (value === null) return 'null'
  if (depth === MAX_DEPTH) throw refused(`a value nested deeper than ${MAX_DEPTH} levels`)
  return isConstant(value) ? writeConstant(value, depth) : writeInner(value, depth)
}

function writeInner(value: object, depth: number): string {
  return Array.isArray(value) ? writeArray(value, depth + 1) : writeObject(value, depth + 1)
}

const KEPT = new WeakMap<object, string>()

// A principal or a prepared statement's resources, record after record.
function writeConstant(value: object, depth: number): string {
  let text = KEPT.get(value)
  if (text === undefined) {
    text = writeInner(value, depth)
    KEPT.set(value, text)
  }
  return text
}

// RFC 8785, 3.2.2.3 is ECMAScript's Number::toString; -0 comes out as 0.
function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw refused('a number that is not finite')
  return String(value)
}

// Printable ASCII that needs no escape: nearly every name and id, and told faster than JSON.stringify quotes it.
const PLAIN = /^[ !#-[\]-~]*$/

// RFC 8785, 3.2.2.2 is ECMAScript's own quoting, but for lone surrogates, which have no UTF-8.
function writeString(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw refused('text that is not valid Unicode')
  return JSON.stringify(text)
}

function writeArray(items: readonly unknown[], depth: number): string {
  let text = '['
  for (let index = 0; index < items.length; index += 1) {
    if (index > 0) text += ','
    text += write(items[index], depth)
  }
  return `${text}]`
}

function writeObject(object: object, depth: number): string {
  if (!isPlain(object)) throw refused('an object that is not plain')
  let text = ''
  const names = Object.keys(object)
  // Array.prototype.sort without a comparator orders by UTF-16 code units, as `<` compares: RFC 8785, 3.2.3.
  if (!areSorted(names)) names.sort()
  for (const name of names) {
    const value = object[name]
    if (value === undefined) continue
    text += `${text === '' ? '' : ','}${writeName(name)}${write(value, depth)}`
  }
  return `{${text}}`
}

function areSorted(names: readonly string[]): boolean {
  let before = ''
  for (const name of names) {
    if (name < before) return false
    before = name
  }
  return true
}

const NAMES = new Map<string, string>()
const MAX_NAMES = 1000

// Records have few names, and the same ones all the time; those that a client makes up must not fill the memory.
function writeName(name: string): string {
  const known = NAMES.get(name)
  if (known !== undefined) return known
  const text = `${writeString(name)}:`
  if (NAMES.size < MAX_NAMES) NAMES.set(name, text)
  return text
}

// A Date or a Map has its content where Object.keys does not look: it would be recorded as {}.
function isPlain(object: object): object is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null
}

function refused(what: string): EvidenceError {
  return new EvidenceError('ERR_EVIDENCE_RECORD', `a record can't hold ${what}: pass plain, finite JSON`)
}
