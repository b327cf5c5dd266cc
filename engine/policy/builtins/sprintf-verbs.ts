import { PolicyError } from '../../errors.ts'
import { formatFloat } from './go-float.ts'
import type { FloatVerb } from './go-float.ts'
import { canBackquote, goQuote, isPrintable } from './go-quote.ts'

/** An operand as OPA hands it to Go: a composite value arrives as its text. */
export type Operand =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'int64'; readonly value: bigint }
  | { readonly kind: 'bigint'; readonly value: bigint }
  | { readonly kind: 'float64'; readonly value: number }

/** What stands between `%` and the verb. */
export interface Flags {
  minus: boolean
  plus: boolean
  sharp: boolean
  space: boolean
  zero: boolean
  /** Of `%+v` and `%#v`, which mean something else than the flags alone. */
  plusV: boolean
  sharpV: boolean
  width: number | undefined
  precision: number | undefined
}

const MAX_RUNE = 0x10_ffffn
const REPLACEMENT = '\ufffd'
const GO_TYPE: Readonly<Record<Operand['kind'], string>> = {
  string: 'string',
  int64: 'int64',
  bigint: '*big.Int',
  float64: 'float64',
}

export function noFlags(): Flags {
  return {
    minus: false,
    plus: false,
    sharp: false,
    space: false,
    zero: false,
    plusV: false,
    sharpV: false,
    width: undefined,
    precision: undefined,
  }
}

/** `%+v` and `%#v` ask for another form of the value, not for a sign or a prefix. */
export function valueFlags(flags: Flags): Flags {
  return { ...flags, sharp: false, plus: false, sharpV: flags.sharp, plusV: flags.plus }
}

/** One operand under one verb; a verb that doesn't fit gives Go's `%!verb(type=value)`. */
export function formatOperand(operand: Operand, verb: string, flags: Flags): string {
  if (verb === 'T') return pad(truncated(GO_TYPE[operand.kind], flags), flags)
  if (verb === 'w' || (verb === 'p' && operand.kind === 'bigint')) throw unsupported(verb, operand)
  switch (operand.kind) {
    case 'string':
      return formatString(operand.value, verb, flags) ?? badVerb(operand, verb, flags)
    case 'int64':
      return formatInt64(operand.value, verb, flags) ?? badVerb(operand, verb, flags)
    case 'bigint':
      return formatBigInt(operand.value, verb, flags)
    case 'float64':
      return formatNumber(operand, verb, flags) ?? badVerb(operand, verb, flags)
    default:
      return operand satisfies never
  }
}

function badVerb(operand: Operand, verb: string, flags: Flags): string {
  return `%!${verb}(${describeOperand(operand, flags)})`
}

/** `type=value`, as Go names an operand that it can't place. */
export function describeOperand(operand: Operand, flags: Flags): string {
  return `${GO_TYPE[operand.kind]}=${formatOperand(operand, 'v', flags)}`
}

function formatString(value: string, verb: string, flags: Flags): string | undefined {
  switch (verb) {
    case 'v':
      return flags.sharpV ? quoted(value, flags) : pad(truncated(value, flags), flags)
    case 's':
      return pad(truncated(value, flags), flags)
    case 'q':
      return quoted(value, flags)
    case 'x':
      return hexString(value, flags)
    case 'X':
      return hexString(value, flags).toUpperCase()
    default:
      return undefined
  }
}

function quoted(value: string, flags: Flags): string {
  const text = truncated(value, flags)
  if (flags.sharp && canBackquote(text)) return pad(`\`${text}\``, flags)
  return pad(goQuote(text, { ascii: flags.plus }), flags)
}

function hexString(value: string, flags: Flags): string {
  const bytes = Buffer.from(value).subarray(0, flags.precision)
  const prefix = flags.sharp && bytes.length > 0 ? '0x' : ''
  const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
  return pad(prefix + pairs.join(flags.space ? ` ${prefix}` : ''), flags)
}

function formatInt64(value: bigint, verb: string, flags: Flags): string | undefined {
  switch (verb) {
    case 'v':
    case 'd':
      return integer(value, 10, '', flags)
    case 'b':
      return integer(value, 2, flags.sharp ? '0b' : '', flags)
    case 'o':
      return integer(value, 8, flags.sharp ? '0' : '', flags)
    case 'O':
      return integer(value, 8, flags.sharp ? '0o0' : '0o', flags)
    case 'x':
      return integer(value, 16, flags.sharp ? '0x' : '', flags)
    case 'X':
      return integer(value, 16, flags.sharp ? '0X' : '', flags, true)
    case 'c':
      return pad(character(value), flags)
    case 'q':
      return pad(goQuote(character(value), { quote: "'", ascii: flags.plus }), flags)
    case 'U':
      return unicode(value, flags)
    default:
      return undefined
  }
}

/** Leading zeroes come from the precision or, without one, from a zero flag with a width; never from the padding. */
function integer(value: bigint, base: number, prefix: string, flags: Flags, upper = false): string {
  if (flags.precision === 0 && value === 0n) return ' '.repeat(flags.width ?? 0)
  const sign = signOf(value < 0n, flags.plus, flags.space)
  const zeroWidth = flags.zero && !flags.minus && flags.width !== undefined ? flags.width - sign.length : 0
  const digits = digitsOf(value, base, upper).padStart(flags.precision ?? zeroWidth, '0')
  // Octal's `0` is only a first digit, which padding may have given already.
  const octal = base === 8 && prefix.endsWith('0') && digits.startsWith('0')
  return padSpaces(sign + (octal ? prefix.slice(0, -1) : prefix) + digits, flags)
}

/** math/big's own Format, which counts sign and prefix into the zero padding. */
function formatBigInt(value: bigint, verb: string, flags: Flags): string {
  const base = BIG_BASES.get(verb)
  if (base === undefined) return `%!${verb}(big.Int=${value.toString()})`
  const sign = signOf(value < 0n, flags.plus || flags.plusV, flags.space)
  const prefix = verb === 'O' ? '0o' : ((flags.sharp || flags.sharpV ? BIG_PREFIXES.get(verb) : undefined) ?? '')
  const digits = digitsOf(value, base, verb === 'X').padStart(flags.precision ?? 0, '0')
  const room = (flags.width ?? 0) - sign.length - prefix.length
  const zeroes = flags.zero && !flags.minus && flags.precision === undefined
  return padSpaces(sign + prefix + (zeroes ? digits.padStart(room, '0') : digits), flags)
}

const BIG_BASES: ReadonlyMap<string, number> = new Map([
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['d', 10],
  ['s', 10],
  ['v', 10],
  ['x', 16],
  ['X', 16],
])
const BIG_PREFIXES: ReadonlyMap<string, string> = new Map([
  ['b', '0b'],
  ['o', '0'],
  ['x', '0x'],
  ['X', '0X'],
])

function formatNumber(operand: Operand & { kind: 'float64' }, verb: string, flags: Flags): string | undefined {
  switch (verb) {
    case 'v':
      return float(operand.value, 'g', -1, flags)
    case 'g':
    case 'G':
      return float(operand.value, verb, -1, flags)
    case 'e':
    case 'E':
    case 'f':
      return float(operand.value, verb, 6, flags)
    case 'F':
      return float(operand.value, 'f', 6, flags)
    case 'b':
    case 'x':
    case 'X':
      throw unsupported(verb, operand)
    default:
      return undefined
  }
}

function float(value: number, verb: FloatVerb, standard: number, flags: Flags): string {
  const precision = flags.precision ?? standard
  const written = formatFloat(value, verb, precision)
  const unsigned = written.replace(/^-/, '')
  const size = flags.sharp ? pointed(unsigned, verb, precision) : unsigned
  const sign = signOf(written !== unsigned, flags.plus, flags.space)
  if (!flags.zero || flags.minus) return pad(sign + size, flags)
  return sign + size.padStart((flags.width ?? 0) - sign.length, '0')
}

/** `#` keeps the decimal point and, with g, the trailing zeroes up to the precision. */
function pointed(size: string, verb: FloatVerb, precision: number): string {
  const [, mantissa = '', exponent = ''] = /^([^eE]*)(.*)$/.exec(size) ?? []
  const significant = mantissa.replace('.', '').replace(/^0+/, '').length
  const zero = mantissa === '0' ? 1 : 0
  const wanted = verb === 'g' || verb === 'G' ? (precision < 0 ? 6 : precision) - significant - zero : 0
  return (mantissa.includes('.') ? mantissa : `${mantissa}.`) + '0'.repeat(Math.max(wanted, 0)) + exponent
}

function unicode(value: bigint, flags: Flags): string {
  const code = BigInt.asUintN(64, value)
  const digits = code
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(flags.precision ?? 0, 4), '0')
  const shown = flags.sharp && code <= MAX_RUNE && isPrintable(character(value))
  return padSpaces(`U+${digits}${shown ? ` '${character(value)}'` : ''}`, flags)
}

function character(value: bigint): string {
  const surrogate = value >= 0xd800n && value <= 0xdfffn
  return value < 0n || value > MAX_RUNE || surrogate ? REPLACEMENT : String.fromCodePoint(Number(value))
}

function digitsOf(value: bigint, base: number, upper: boolean): string {
  const digits = (value < 0n ? -value : value).toString(base)
  return upper ? digits.toUpperCase() : digits
}

function signOf(negative: boolean, plus: boolean, space: boolean): string {
  if (negative) return '-'
  if (plus) return '+'
  return space ? ' ' : ''
}

/** The precision of a string counts characters. */
function truncated(text: string, { precision }: Flags): string {
  return precision === undefined ? text : Array.from(text).slice(0, precision).join('')
}

function pad(text: string, flags: Flags): string {
  return flags.zero && !flags.minus ? '0'.repeat(missing(text, flags)) + text : padSpaces(text, flags)
}

function padSpaces(text: string, flags: Flags): string {
  const spaces = ' '.repeat(missing(text, flags))
  return flags.minus ? text + spaces : spaces + text
}

function missing(text: string, { width = 0 }: Flags): number {
  return width === 0 ? 0 : Math.max(width - Array.from(text).length, 0)
}

function unsupported(verb: string, operand: Operand): PolicyError {
  return new PolicyError(
    'ERR_POLICY_BUILTIN',
    `sprintf: the gateway does not format a ${operand.kind} with %${verb}; use %v, %d, %s, %q, %e, %f or %g`,
  )
}
