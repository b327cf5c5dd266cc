import { type MaskingKey, type MaskMethod, ObligationError } from '../../../engine/index.ts'
import { fixed, redacted } from './constant-mask.ts'
import { dateYear } from './date-year.ts'
import { hashed, pseudonymous } from './keyed-mask.ts'
import { TEXT_LIKE, type ValueMask } from './value-form.ts'

/**
 * How a method hides values of a type in a format (0 text, 1 binary). The result is valid for the type; where there is
 * no such result it is NULL, which every type and format has. Throws ObligationError where the method needs a key and there is none.
 */
export function valueMask(method: MaskMethod, typeOid: number, format: 0 | 1, key: MaskingKey | null): ValueMask {
  switch (method) {
    case 'null':
      return toNull
    case 'redact':
      return redacted(typeOid, format)
    case 'fixed':
      return fixed(typeOid, format)
    case 'hash':
      return hashed(typeOid, format, needed(key, method))
    case 'pseudonym':
      return pseudonymous(typeOid, format, needed(key, method))
    case 'date-year':
      return dateYear(typeOid, format)
    case 'last4':
      return TEXT_LIKE.has(typeOid) ? last4 : toNull
    case 'email':
      return TEXT_LIKE.has(typeOid) ? email : toNull
  }
}

function needed(key: MaskingKey | null, method: MaskMethod): MaskingKey {
  if (key !== null) return key
  throw new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', `${method} needs masking.key`)
}

const toNull: ValueMask = () => null

const STAR = 0x2a
const KEPT_CHARACTERS = 4

/**
 * A star for each character but the last four; for each, where there are no more than four. Characters are code points.
 * Length in characters stays, so that ASCII is overwritten where it lies.
 */
const last4: ValueMask = (buffer, start, end) => {
  let characters = 0
  let tail = end
  for (let at = end - 1; at >= start; at -= 1) {
    if (isContinuation(buffer[at])) continue
    characters += 1
    if (characters === KEPT_CHARACTERS) tail = at
  }
  const kept = characters > KEPT_CHARACTERS ? tail : end
  const stars = characters > KEPT_CHARACTERS ? characters - KEPT_CHARACTERS : characters
  if (stars === kept - start) {
    for (let at = start; at < kept; at += 1) buffer[at] = STAR
    return 'in-place'
  }
  const masked = Buffer.alloc(stars + end - kept, STAR)
  buffer.copy(masked, stars, kept, end)
  return masked
}

/** Whether a byte continues a UTF-8 character. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

const AT_SIGN = 0x40
const HIDDEN_ADDRESS = Buffer.from('***@***')
const HIDDEN_TEXT = Buffer.from('***')
/** What an address that begins with this ASCII character becomes: made once, not for each row. */
const HIDDEN_AFTER = Array.from({ length: 128 }, (_, byte) => Buffer.concat([Buffer.of(byte), HIDDEN_ADDRESS]))

/**
 * `alice@bank.example` becomes `a***@***`: neither the local part's length nor anything of the domain is told. What has
 * no character in front of the @ to spare becomes `***@***`, and what is no address `***`.
 */
const email: ValueMask = (buffer, start, end) => {
  let at = start
  while (at < end && buffer[at] !== AT_SIGN) at += 1
  if (at === end) return HIDDEN_TEXT
  let second = start + 1
  while (second < at && isContinuation(buffer[second])) second += 1
  if (second >= at) return HIDDEN_ADDRESS
  return HIDDEN_AFTER[buffer[start] ?? 0] ?? Buffer.concat([buffer.subarray(start, second), HIDDEN_ADDRESS])
}
