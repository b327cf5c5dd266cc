import type { MaskMethod } from './verdict.ts'

/** Methods that `maskText` carries out: those that need no key. */
export const TEXT_MASK_METHODS: readonly MaskMethod[] = ['null', 'redact', 'fixed', 'date-year', 'last4', 'email']

/** How a text looks under a method; null where nothing of it may be shown. Makes only printable ASCII beside the value's own characters, which any message may hold. */
export function maskText(method: MaskMethod, value: string): string | null {
  switch (method) {
    case 'null':
    case 'hash':
    case 'pseudonym':
      return null
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
