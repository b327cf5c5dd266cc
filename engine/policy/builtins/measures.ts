import { regoNumber } from '../rego-value.ts'
import type { RegoNumber, RegoValue } from '../rego-value.ts'
import { regoObject } from '../rego-json.ts'
import { fitsInt64, stringOperand, wrongOperand } from './operands.ts'
import type { Answer, Calls, Circumstances } from './operands.ts'

/** Units, versions and UUIDs. */
export const MEASURE_CALLS: Calls = {
  'semver.compare': ([one, other], name) =>
    regoNumber(compareVersions(version(stringOperand(one, name), name), version(stringOperand(other, name), name))),
  'semver.is_valid': ([text]) => typeof text === 'string' && parseVersion(text) !== undefined,
  'units.parse': ([text], name) => parseUnits(stringOperand(text, name), name),
  'units.parse_bytes': ([text], name) => parseBytes(stringOperand(text, name), name),
  'uuid.parse': ([text], name) => parseUuid(stringOperand(text, name)),
}

/** Random, but the same within a decision for the same operand; recorded, so that a replay sees it too. */
export function randomUuid({ random }: Circumstances): string {
  const bytes = Buffer.from(random(16))
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

interface Version {
  readonly numbers: readonly bigint[]
  readonly preRelease: readonly string[]
}

const NUMERIC = '(?:0|[1-9]\\d*)'
const VERSION = new RegExp(
  `^v?(${NUMERIC})\\.(${NUMERIC})\\.(${NUMERIC})(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
)

function version(text: string, name: string): Version {
  const parsed = parseVersion(text)
  if (parsed === undefined) throw wrongOperand(name, 'a semantic version')
  return parsed
}

function parseVersion(text: string): Version | undefined {
  const [found, major = '', minor = '', patch = '', pre] = VERSION.exec(text) ?? []
  const numbers = [major, minor, patch].map((part) => BigInt(part === '' ? 0 : part))
  const preRelease = pre?.split('.') ?? []
  if (found === undefined || !numbers.every(fitsInt64) || preRelease.some((part) => /^0\d+$/.test(part)))
    return undefined
  return { numbers, preRelease }
}

/** SemVer 2.0.0, section 11. */
function compareVersions(one: Version, other: Version): number {
  for (const [at, value] of one.numbers.entries()) {
    const against = other.numbers[at] ?? 0n
    if (value !== against) return value < against ? -1 : 1
  }
  if (one.preRelease.length === 0 || other.preRelease.length === 0) {
    return Math.sign(other.preRelease.length - one.preRelease.length)
  }
  for (const [at, part] of one.preRelease.entries()) {
    const against = other.preRelease[at]
    if (against === undefined) return 1
    const order = compareIdentifiers(part, against)
    if (order !== 0) return order
  }
  return one.preRelease.length < other.preRelease.length ? -1 : 0
}

function compareIdentifiers(one: string, other: string): number {
  const [left, right] = [/^\d+$/.test(one), /^\d+$/.test(other)]
  if (left !== right) return left ? -1 : 1
  if (left) return BigInt(one) === BigInt(other) ? 0 : BigInt(one) < BigInt(other) ? -1 : 1
  return one === other ? 0 : one < other ? -1 : 1
}

/** A decimal number, exactly: `numerator / denominator`. */
interface Fraction {
  readonly numerator: bigint
  readonly denominator: bigint
}

const DECIMAL_UNITS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5, e: 6 }
const AMOUNT = /^((?:[\d.]|[eE][+-]?\d+)+|[+-][\d.]+(?:[eE][+-]?\d+)?)?(.*)$/s

/** SI units, `m` for thousandths and `M` for millions; ten decimals where the result is not whole. */
function parseUnits(operand: string, name: string): RegoNumber {
  const { amount, unit } = amountAndUnit(operand.replaceAll('"', ''), name)
  const factor =
    unit === 'm' ? thousandth() : { numerator: unitFactor(unit.toLowerCase(), unit, name), denominator: 1n }
  const numerator = amount.numerator * factor.numerator
  const denominator = amount.denominator * factor.denominator
  if (numerator % denominator === 0n) return regoNumber(numerator / denominator)
  return { kind: 'number', text: tenDecimals(numerator, denominator) }
}

/** Go takes the binary fraction nearest to 0.001, not a thousandth. */
function thousandth(): Fraction {
  return { numerator: BigInt(0.001 * 2 ** 62), denominator: 2n ** 62n }
}

/** Rounded half away from zero, as big.Rat's FloatString. */
function tenDecimals(numerator: bigint, denominator: bigint): string {
  const sign = numerator < 0n ? '-' : ''
  const size = numerator < 0n ? -numerator : numerator
  const scaled = (size * 10n ** 10n * 2n + denominator) / (denominator * 2n)
  const digits = scaled.toString().padStart(11, '0')
  return `${sign}${digits.slice(0, -10)}.${digits.slice(-10)}`
}

/** Bytes: upper and lower case are one, `K` is 1000 and `Ki` 1024; a fraction of a byte is cut off. */
function parseBytes(operand: string, name: string): RegoNumber {
  const { amount, unit } = amountAndUnit(operand.toLowerCase().replaceAll('"', ''), name)
  const factor = unitFactor(unit.replace(/b$/, ''), unit === 'b' ? 'b' : '', name)
  return regoNumber((amount.numerator * factor) / amount.denominator)
}

function unitFactor(unit: string, written: string, name: string): bigint {
  if (unit === '' && written === '') return 1n
  const [, letter = '', binary] = /^([kmgtpe])(i)?$/.exec(unit) ?? []
  const power = DECIMAL_UNITS[letter]
  if (power === undefined) throw wrongOperand(name, 'a unit such as K, Mi or G')
  return (binary === undefined ? 1000n : 1024n) ** BigInt(power)
}

function amountAndUnit(text: string, name: string): { readonly amount: Fraction; readonly unit: string } {
  if (text.includes(' ')) throw wrongOperand(name, 'no space')
  const [, amount = '', unit = ''] = AMOUNT.exec(text) ?? []
  const [, sign, whole = '', fraction = '', exponent = '0'] =
    /^([+-])?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/.exec(amount) ?? []
  if (whole + fraction === '' || Math.abs(Number(exponent)) > 4096)
    throw wrongOperand(name, 'a decimal number before the unit')
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n)
  const scale = Number(exponent) - fraction.length
  if (scale >= 0) return { amount: { numerator: digits * 10n ** BigInt(scale), denominator: 1n }, unit }
  return { amount: { numerator: digits, denominator: 10n ** BigInt(-scale) }, unit }
}

const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i
const VARIANTS = ['Reserved', 'RFC4122', 'Microsoft', 'Future'] as const
const DOMAINS = ['Person', 'Group', 'Org'] as const
/** 100-nanosecond steps from 1582-10-15, where a UUID's time begins, to 1970. */
const GREGORIAN_TO_UNIX = 122_192_928_000_000_000n

/** Undefined, not an error, where the text is no UUID: as OPA. */
function parseUuid(text: string): Answer {
  const [, low = '', mid = '', high = '', clock = '', node = ''] = UUID.exec(bareUuid(text)) ?? []
  if (low === '') return undefined
  const versionNumber = Number.parseInt(high.charAt(0), 16)
  const entries: [string, RegoValue][] = [
    ['version', regoNumber(versionNumber)],
    ['variant', variantOf(Number.parseInt(clock.charAt(0), 16))],
  ]
  if (versionNumber !== 1 && versionNumber !== 2) return regoObject(entries)
  const ticks = BigInt(`0x${high.slice(1)}${mid}${low}`) - GREGORIAN_TO_UNIX
  entries.push(
    ['time', regoNumber(BigInt.asIntN(64, ticks * 100n))],
    ['nodeid', node.toLowerCase().replaceAll(/(..)(?!$)/g, '$1-')],
    ['macvariables', macVariables(Number.parseInt(node.slice(0, 2), 16))],
    ['clocksequence', regoNumber(Number.parseInt(clock, 16) & 0x3fff)],
  )
  if (versionNumber === 2) {
    const domain = Number.parseInt(clock.slice(2), 16)
    entries.push(['id', regoNumber(Number.parseInt(low, 16))], ['domain', DOMAINS[domain] ?? `Domain${domain}`])
  }
  return regoObject(entries)
}

/** With `urn:uuid:` before it, between any two characters (braces are meant), or as bare digits. */
function bareUuid(text: string): string {
  switch (Buffer.byteLength(text)) {
    case 32:
      return text.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    case 38:
      return text.slice(1, -1)
    case 45:
      return text.replace(/^urn:uuid:/i, '')
    default:
      return text
  }
}

function variantOf(nibble: number): string {
  if (nibble < 8) return VARIANTS[0]
  if (nibble < 12) return VARIANTS[1]
  return nibble < 14 ? VARIANTS[2] : VARIANTS[3]
}

function macVariables(octet: number): string {
  return `${(octet & 2) === 0 ? 'global' : 'local'}:${(octet & 1) === 0 ? 'unicast' : 'multicast'}`
}
