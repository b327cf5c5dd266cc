import { createHash } from 'node:crypto'
import { compareRego, isNumber, isRegoObject, isSet, printRegoValue, regoNumber } from './rego-value.ts'
import type { RegoNumber, RegoObject, RegoValue } from './rego-value.ts'
import { goQuote } from './go-quote.ts'
import { fitsInt64, listOperand, stringOperand, wrongOperand } from './operands.ts'
import { sprintf } from './sprintf.ts'
import type { Operand } from './sprintf-verbs.ts'
import { clock, date, parseRfc3339, weekday } from './time-builtins.ts'

/** All the time that one decision sees. */
export interface DecisionClock {
  readonly nowNs: bigint
}

/**
 * A function that OPA's WebAssembly leaves to its host. It behaves as OPA's Go does, but for one thing: where Go reports
 * an error, which makes the expression undefined and its negation true, this throws and the decision ends.
 */
export interface Builtin {
  /** Its result is recorded with the decision, so that a replay gets the same one. */
  readonly nondeterministic: boolean
  call(operands: readonly RegoValue[], clock: DecisionClock): RegoValue
}

type Pure = (operands: readonly RegoValue[]) => RegoValue

const PURE: Readonly<Record<string, Pure>> = {
  'crypto.sha256': ([text]) => createHash('sha256').update(stringOperand(text, 'crypto.sha256')).digest('hex'),
  'hex.decode': ([text]) => hexDecode(stringOperand(text, 'hex.decode')),
  'hex.encode': ([text]) => Buffer.from(stringOperand(text, 'hex.encode')).toString('hex'),
  'object.subset': ([whole, part]) => isSubset(whole, part),
  sprintf: ([format, operands]) => sprintf(stringOperand(format, 'sprintf'), sprintfOperands(operands)),
  'strings.any_prefix_match': ([texts, bases]) =>
    anyPair(texts, bases, 'strings.any_prefix_match', (text, base) => text.startsWith(base)),
  'strings.any_suffix_match': ([texts, bases]) =>
    anyPair(texts, bases, 'strings.any_suffix_match', (text, base) => text.endsWith(base)),
  'time.clock': clock,
  'time.date': date,
  'time.parse_rfc3339_ns': parseRfc3339,
  'time.weekday': weekday,
  'urlquery.decode': ([text]) => queryDecode(stringOperand(text, 'urlquery.decode')),
  'urlquery.encode': ([text]) => queryEncode(stringOperand(text, 'urlquery.encode')),
}

/** Every builtin this host answers; policies/host-builtins.json lists the same names for the compiler. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['time.now_ns', { nondeterministic: true, call: (_operands, { nowNs }) => regoNumber(nowNs) }],
  ...Object.entries(PURE).map(([name, call]): [string, Builtin] => [name, { nondeterministic: false, call }]),
])

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function hexDecode(text: string): string {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw wrongOperand('hex.decode', 'pairs of hex digits')
  return utf8(Buffer.from(text, 'hex'), 'hex.decode')
}

/** Go's url.QueryEscape: space is `+`, and only letters, digits and `-_.~` stay. */
function queryEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, percentEscape)
    .replaceAll('%20', '+')
}

function percentEscape(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}

function queryDecode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw wrongOperand('urlquery.decode', 'two hex digits after each %')
  const plain = Buffer.from(text.replaceAll('+', ' ')).toString('latin1')
  const bytes = plain.replaceAll(/%(..)/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return utf8(Buffer.from(bytes, 'latin1'), 'urlquery.decode')
}

/** Go would carry the broken bytes on; a Rego string here is always Unicode. */
function utf8(bytes: Uint8Array, what: string): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw wrongOperand(what, 'bytes that are UTF-8 text')
  }
}

function anyPair(
  texts: RegoValue | undefined,
  bases: RegoValue | undefined,
  what: string,
  match: (text: string, base: string) => boolean,
): boolean {
  const several = strings(bases, what)
  return strings(texts, what).some((text) => several.some((base) => match(text, base)))
}

function strings(value: RegoValue | undefined, what: string): readonly string[] {
  if (typeof value === 'string') return [value]
  return listOperand(value, what).map((item) => stringOperand(item, what))
}

function isSubset(whole: RegoValue | undefined, part: RegoValue | undefined): boolean {
  if (whole !== undefined && part !== undefined) {
    const nested = subsetOf(whole, part)
    if (nested !== undefined) return nested
    if (Array.isArray(whole) && isSet(part)) return holdsAll(whole, part.values)
  }
  throw wrongOperand('object.subset', 'two objects, two sets, two arrays, or an array and a set')
}

/** Undefined where the two are not collections of one kind. */
function subsetOf(whole: RegoValue, part: RegoValue): boolean | undefined {
  if (isRegoObject(whole) && isRegoObject(part)) return objectSubset(whole, part)
  if (isSet(whole) && isSet(part)) return part.values.every((item) => contains(whole.values, item))
  if (Array.isArray(whole) && Array.isArray(part)) return runWithin(whole, part)
  return undefined
}

function objectSubset(whole: RegoObject, part: RegoObject): boolean {
  return part.entries.every(([key, wanted]) => {
    const found = whole.entries.find(([other]) => compareRego(key, other) === 0)
    if (found === undefined) return false
    return compareRego(found[1], wanted) === 0 || subsetOf(found[1], wanted) === true
  })
}

/** Whether one array stands in the other as a run. */
function runWithin(whole: readonly RegoValue[], part: readonly RegoValue[]): boolean {
  return whole.length >= part.length && starts(whole, part).some((start) => startsAt(whole, part, start))
}

function starts(whole: readonly RegoValue[], part: readonly RegoValue[]): number[] {
  return Array.from({ length: whole.length - part.length + 1 }, (_item, start) => start)
}

function startsAt(whole: readonly RegoValue[], part: readonly RegoValue[], start: number): boolean {
  return part.every((item, at) => compareRego(whole[start + at] ?? null, item) === 0)
}

/** As OPA counts: each item of the array that the set has counts once more, so an empty set needs an item to be found. */
function holdsAll(whole: readonly RegoValue[], wanted: readonly RegoValue[]): boolean {
  let unmatched = wanted.length
  return whole.some((item) => {
    if (contains(wanted, item)) unmatched -= 1
    return unmatched === 0
  })
}

function contains(items: readonly RegoValue[], wanted: RegoValue): boolean {
  return items.some((item) => compareRego(item, wanted) === 0)
}

function sprintfOperands(value: RegoValue | undefined): Operand[] {
  if (!Array.isArray(value)) throw wrongOperand('sprintf', 'an array of operands')
  return value.map((item: RegoValue) => {
    if (typeof item === 'string') return { kind: 'string', value: item }
    return isNumber(item) ? numberOperand(item) : { kind: 'string', value: printRegoValue(item, goQuote) }
  })
}

function numberOperand({ text }: RegoNumber): Operand {
  if (/[.eE]/.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? { kind: 'float64', value } : { kind: 'string', value: text }
  }
  const value = BigInt(text)
  return { kind: fitsInt64(value) ? 'int64' : 'bigint', value }
}
