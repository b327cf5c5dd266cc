import type { MaskMethod } from '../verdict.ts'
import type { MaskingKey } from './masking-key.ts'

/**
 * How a text looks under a method; null where nothing of it may be shown, as for want of the key that the method needs. Makes
 * only printable ASCII beside the value's own characters, which any message may hold.
 */
export function maskText(method: MaskMethod, value: string, key: MaskingKey | null): string | null {
  switch (method) {
    case 'null':
      return null
    case 'hash':
      return key?.hash(value) ?? null
    case 'pseudonym':
      return key?.pseudonym(value) ?? null
    case 'redact':
      return '[redacted]'
    case 'fixed':
      return '***'
    case 'last4':
      return last4(value)
    case 'email':
      return email(value)
    case 'date-year':
      return yearOf(value)
  }
}

/**
 * JSON text in the place of the JSON text `found` of one value, or of no more than the first character of an object or a
 * list, which is hidden whole. A number under `pseudonym` stays one. Null stays: it tells nothing.
 */
export function maskJsonValue(method: MaskMethod, found: string, key: MaskingKey | null): string {
  switch (found[0]) {
    case 'n':
      return found
    case '{':
    case '[':
      return method === 'null' ? 'null' : '"[redacted]"'
    case 't':
    case 'f':
      // Of two values each would be found by trying both.
      return JSON.stringify(method === 'hash' || method === 'pseudonym' ? null : maskText(method, found, key))
    case '"':
      return JSON.stringify(maskText(method, String(JSON.parse(found)), key))
    default:
      return method === 'pseudonym' ? otherNumber(found, key) : JSON.stringify(maskText(method, found, key))
  }
}

/** As a column of numbers has it: null for what is no integer, or beyond 64 bits. */
function otherNumber(found: string, key: MaskingKey | null): string {
  const other = key !== null && /^-?\d{1,20}$/.test(found) ? key.pseudonyms.integer(BigInt(found)) : null
  return other === null ? 'null' : other.toString()
}

/** A star for each character but the last four; for each, where there are no more than four. Characters are code points. */
function last4(value: string): string {
  const characters = Array.from(value)
  const hidden = characters.length > 4 ? characters.length - 4 : characters.length
  return '*'.repeat(hidden) + characters.slice(hidden).join('')
}

/** `alice@bank.example` becomes `a***@***`; what has nothing to spare before the @ `***@***`, what is no address `***`. */
function email(value: string): string {
  const at = value.indexOf('@')
  if (at === -1) return '***'
  const [first = ''] = at > 1 ? Array.from(value.slice(0, at)) : []
  return `${first}***@***`
}

function yearOf(value: string): string | null {
  const year = /^(\d{4})-\d\d-\d\d(?:T[\d:.]{5,15}(?:Z|[+-]\d\d:?\d\d)?)?$/.exec(value)?.[1]
  return year === undefined ? null : `${year}-01-01`
}

/**
 * Kinds of text that a label can name (`body~iban`). Each pattern is bounded: however hostile the text, it is read in
 * time that grows with its length only.
 */
export const TEXT_PATTERNS: ReadonlyMap<string, RegExp> = new Map([
  ['email', /[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}/g],
  ['iban', /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g],
  ['number', /\d(?:[ -]?\d){6,30}/g],
  ['ssn', /\d{3}[- ]?\d{2}[- ]?\d{4}/g],
])
