import { createHash, createHmac } from 'node:crypto'
import { compareRego, isNumber, printRegoValue, regoNumber } from '../rego-value.ts'
import type { RegoNumber, RegoValue } from '../rego-value.ts'
import { goQuote } from './go-quote.ts'
import {
  arrayOperand,
  fitsInt64,
  int64Operand,
  listOperand,
  stringOperand,
  wrongOperand,
  beyondHost,
} from './operands.ts'
import type { Calls } from './operands.ts'
import { sprintf } from './sprintf.ts'
import type { Operand } from './sprintf-verbs.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Strings, their digests and their encodings. */
export const TEXT_CALLS: Calls = {
  'base64url.encode_no_pad': ([text], name) => Buffer.from(stringOperand(text, name)).toString('base64url'),
  'crypto.hmac.equal': ([one, other], name) => stringOperand(one, name) === stringOperand(other, name),
  'crypto.hmac.md5': (operands, name) => hmac('md5', operands, name),
  'crypto.hmac.sha1': (operands, name) => hmac('sha1', operands, name),
  'crypto.hmac.sha256': (operands, name) => hmac('sha256', operands, name),
  'crypto.hmac.sha512': (operands, name) => hmac('sha512', operands, name),
  'crypto.md5': ([text], name) => digest('md5', stringOperand(text, name)),
  'crypto.sha1': ([text], name) => digest('sha1', stringOperand(text, name)),
  'crypto.sha256': ([text], name) => digest('sha256', stringOperand(text, name)),
  'glob.quote_meta': ([text], name) => stringOperand(text, name).replaceAll(/[*?\\[\]{}]/g, String.raw`\$&`),
  'hex.decode': ([text], name) => hexDecode(stringOperand(text, name), name),
  'hex.encode': ([text], name) => Buffer.from(stringOperand(text, name)).toString('hex'),
  indexof_n: ([text, wanted], name) => indexes(stringOperand(text, name), stringOperand(wanted, name), name),
  sprintf: ([format, operands], name) => sprintf(stringOperand(format, name), sprintfOperands(operands, name)),
  'strings.any_prefix_match': ([texts, bases], name) =>
    anyPair(texts, bases, name, (text, base) => text.startsWith(base)),
  'strings.any_suffix_match': ([texts, bases], name) =>
    anyPair(texts, bases, name, (text, base) => text.endsWith(base)),
  'strings.count': ([text, part], name) => regoNumber(count(stringOperand(text, name), stringOperand(part, name))),
  'strings.split_n': ([text, separator, most], name) =>
    splitN(stringOperand(text, name), stringOperand(separator, name), int64Operand(most, name)),
}

function digest(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest('hex')
}

function hmac(algorithm: string, [text, key]: readonly RegoValue[], name: string): string {
  return createHmac(algorithm, stringOperand(key, name)).update(stringOperand(text, name)).digest('hex')
}

function hexDecode(text: string, name: string): string {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw wrongOperand(name, 'pairs of hex digits')
  return utf8(Buffer.from(text, 'hex'), name)
}

/** Go would carry the broken bytes on; a Rego string here is always Unicode. */
export function utf8(bytes: Uint8Array, name: string): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw beyondHost(name, 'expected bytes that are UTF-8 text')
  }
}

function strings(value: RegoValue | undefined, name: string): readonly string[] {
  if (typeof value === 'string') return [value]
  return listOperand(value, name).map((item) => stringOperand(item, name))
}

function anyPair(
  texts: RegoValue | undefined,
  bases: RegoValue | undefined,
  name: string,
  match: (text: string, base: string) => boolean,
): boolean {
  const several = strings(bases, name)
  return strings(texts, name).some((text) => several.some((base) => match(text, base)))
}

/** Every place, overlapping ones too, in characters. */
function indexes(text: string, wanted: string, name: string): RegoValue {
  if (wanted === '') throw wrongOperand(name, 'something to look for')
  const [chars, looked] = [Array.from(text), Array.from(wanted)]
  return chars
    .map((_char, at) => at)
    .filter((at) => looked.every((char, offset) => chars[at + offset] === char))
    .map(regoNumber)
}

/** Go's strings.Count: an empty part stands before, between and after all characters. */
function count(text: string, part: string): number {
  return part === '' ? Array.from(text).length + 1 : text.split(part).length - 1
}

/** The first `most` pieces, or the last so many for a negative number. */
function splitN(text: string, separator: string, most: bigint): RegoValue {
  const pieces = separator === '' ? Array.from(text) : text.split(separator)
  const limit = Number(most)
  return limit >= 0 ? pieces.slice(0, limit) : pieces.slice(Math.max(pieces.length + limit, 0))
}

function sprintfOperands(value: RegoValue | undefined, name: string): Operand[] {
  return arrayOperand(value, name).map((item: RegoValue) => {
    if (typeof item === 'string') return { kind: 'string', value: item }
    return isNumber(item) ? numberArgument(item) : { kind: 'string', value: printRegoValue(item, goQuote) }
  })
}

function numberArgument({ text }: RegoNumber): Operand {
  if (/[.eE]/.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? { kind: 'float64', value } : { kind: 'string', value: text }
  }
  const value = BigInt(text)
  return { kind: fitsInt64(value) ? 'int64' : 'bigint', value }
}

export function contains(items: readonly RegoValue[], wanted: RegoValue): boolean {
  return items.some((item) => compareRego(item, wanted) === 0)
}
