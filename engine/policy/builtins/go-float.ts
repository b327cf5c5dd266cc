/*
 * Go's strconv.FormatFloat for the verbs e, f and g. JavaScript's own toFixed and toPrecision round a tie up where Go
 * rounds it to even, so digits come from the exact binary value.
 */

/** Decimal digits `0.d₁d₂… × 10^point`; no trailing zero; empty (point 0) for zero. */
interface Digits {
  readonly digits: string
  readonly point: number
}

export type FloatVerb = 'e' | 'E' | 'f' | 'g' | 'G'

const MANTISSA_BITS = 52n
const EXPONENT_MASK = 0x7ffn
const BIAS = 1075
/** Without a precision, %g turns to an exponent here. */
const SHORTEST_THRESHOLD = 6
const LEAST_EXPONENT = -4

/** A finite number as Go writes it. `precision` -1 means as many digits as tell it apart from its neighbours. */
export function formatFloat(value: number, verb: FloatVerb, precision: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const size = Math.abs(value)
  switch (verb) {
    case 'e':
    case 'E':
      return sign + exponential(size, verb, precision)
    case 'f':
      return sign + fixed(size, precision)
    case 'g':
      return sign + general(size, 'e', precision)
    case 'G':
      return sign + general(size, 'E', precision)
    default:
      return verb satisfies never
  }
}

function exponential(size: number, letter: 'e' | 'E', precision: number): string {
  if (precision >= 0) return writeExponential(rounded(exact(size), precision + 1), letter, precision)
  const digits = shortest(size)
  return writeExponential(digits, letter, Math.max(digits.digits.length - 1, 0))
}

function fixed(size: number, precision: number): string {
  if (precision >= 0) {
    const digits = exact(size)
    return writeFixed(rounded(digits, digits.point + precision), precision)
  }
  const digits = shortest(size)
  return writeFixed(digits, Math.max(digits.digits.length - digits.point, 0))
}

function general(size: number, letter: 'e' | 'E', precision: number): string {
  const wanted = Math.max(precision, 1)
  const digits = precision < 0 ? shortest(size) : rounded(exact(size), wanted)
  const { length } = digits.digits
  const cut = precision < 0 ? length : wanted
  const exponent = digits.point - 1
  if (exponent < LEAST_EXPONENT || exponent >= threshold(digits, precision, wanted)) {
    return writeExponential(digits, letter, Math.min(cut, length) - 1)
  }
  return writeFixed(digits, Math.max((cut > digits.point ? length : cut) - digits.point, 0))
}

function threshold({ digits, point }: Digits, precision: number, wanted: number): number {
  if (precision < 0) return SHORTEST_THRESHOLD
  return wanted > digits.length && digits.length >= point ? digits.length : wanted
}

function writeExponential({ digits, point }: Digits, letter: string, places: number): string {
  const exponent = digits === '' ? 0 : point - 1
  const fraction = places > 0 ? `.${digits.slice(1, places + 1).padEnd(places, '0')}` : ''
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${digits[0] ?? '0'}${fraction}${letter}${exponent < 0 ? '-' : '+'}${size}`
}

function writeFixed({ digits, point }: Digits, places: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (places <= 0) return whole
  const fraction = '0'.repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0))
  return `${whole}.${fraction.slice(0, places).padEnd(places, '0')}`
}

/** The fewest digits that read back as the same number. */
function shortest(size: number): Digits {
  const [mantissa = '', exponent = '0'] = size.toExponential().split('e')
  return trimmed(mantissa.replace('.', ''), Number(exponent) + 1)
}

/** All digits of the binary value: mantissa × 2^e is an integer, or an integer over a power of ten. */
function exact(size: number): Digits {
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, size)
  const raw = bits.getBigUint64(0)
  const biased = Number((raw >> MANTISSA_BITS) & EXPONENT_MASK)
  const fraction = raw & ((1n << MANTISSA_BITS) - 1n)
  const mantissa = biased === 0 ? fraction : fraction | (1n << MANTISSA_BITS)
  const power = Math.max(biased, 1) - BIAS
  const digits = (power >= 0 ? mantissa << BigInt(power) : mantissa * 5n ** BigInt(-power)).toString()
  return trimmed(digits, digits.length + Math.min(power, 0))
}

/** The first `count` digits, the rest rounded to nearest, an exact half to even. */
function rounded({ digits, point }: Digits, count: number): Digits {
  if (count >= digits.length) return { digits, point }
  if (count < 0) return { digits: '', point: 0 }
  const kept = `0${digits.slice(0, count)}`
  const next = BigInt(kept) + (roundsUp(digits, count) ? 1n : 0n)
  const text = next.toString().padStart(kept.length, '0')
  return text.startsWith('0') ? trimmed(text.slice(1), point) : trimmed(text, point + 1)
}

function roundsUp(digits: string, count: number): boolean {
  const tie = digits[count] === '5' && count + 1 === digits.length
  if (tie) return count > 0 && Number(digits[count - 1]) % 2 === 1
  return Number(digits[count]) >= 5
}

function trimmed(digits: string, point: number): Digits {
  const kept = digits.replace(/0+$/, '')
  return kept === '' ? { digits: '', point: 0 } : { digits: kept, point }
}
