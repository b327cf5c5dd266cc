import type { MaskMethod } from '../../../engine/index.ts'

/** Object identifiers of the types that masks know (pg_type.dat); every other type is masked as NULL. */
export const TYPE_OID = {
  bool: 16,
  bytea: 17,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  float4: 700,
  float8: 701,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const

/**
 * Hides one value that is not NULL: the bytes from `start` to `end`. Gives the bytes to stand in its place, null for
 * NULL, or `in-place` when it has already overwritten it.
 */
export type ValueMask = (buffer: Buffer, start: number, end: number) => Buffer | null | 'in-place'

/**
 * How a method hides values of a type in a format (0 text, 1 binary). The result is valid for the type; where there is
 * no such result it is NULL, which every type and format has. Keyed methods have no key here, so they hide all.
 */
export function valueMask(method: MaskMethod, typeOid: number, format: 0 | 1): ValueMask {
  return METHODS[method](typeOid, format)
}

const METHODS: Readonly<Record<MaskMethod, (typeOid: number, format: 0 | 1) => ValueMask>> = {
  null: () => toNull,
  hash: () => toNull,
  pseudonym: () => toNull,
  redact: (typeOid, format) => constant(redacted(typeOid, format)),
  fixed: (typeOid, format) => constant(fixed(typeOid, format)),
  last4: (typeOid) => (TEXT_LIKE.has(typeOid) ? last4 : toNull),
  email: (typeOid) => (TEXT_LIKE.has(typeOid) ? email : toNull),
  'date-year': dateYear,
}

/** Types whose text and binary formats are both plain text, of which any is valid. */
const TEXT_LIKE: ReadonlySet<number> = new Set([TYPE_OID.text, TYPE_OID.varchar, TYPE_OID.bpchar, TYPE_OID.name])
const JSONB_VERSION = '\u0001'

const toNull: ValueMask = () => null

function constant(value: Buffer | null): ValueMask {
  return () => value
}

function redacted(typeOid: number, format: 0 | 1): Buffer | null {
  if (TEXT_LIKE.has(typeOid)) return Buffer.from('[redacted]')
  if (typeOid === TYPE_OID.json) return Buffer.from('"[redacted]"')
  if (typeOid === TYPE_OID.jsonb) return jsonb('"[redacted]"', format)
  return null
}

function jsonb(text: string, format: 0 | 1): Buffer {
  return Buffer.from(format === 1 ? JSONB_VERSION + text : text)
}

/** Text, and the size of the binary form, which is zeros for all of these. */
const ZERO_VALUES: ReadonlyMap<number, readonly [text: string, binaryBytes: number]> = new Map([
  [TYPE_OID.bool, ['f', 1]],
  [TYPE_OID.bytea, [String.raw`\x`, 0]],
  [TYPE_OID.int2, ['0', 2]],
  [TYPE_OID.int4, ['0', 4]],
  [TYPE_OID.int8, ['0', 8]],
  [TYPE_OID.oid, ['0', 4]],
  [TYPE_OID.float4, ['0', 4]],
  [TYPE_OID.float8, ['0', 8]],
  [TYPE_OID.numeric, ['0', 8]], // no digits, weight 0, positive, scale 0
  [TYPE_OID.date, ['2000-01-01', 4]],
  [TYPE_OID.time, ['00:00:00', 8]],
  [TYPE_OID.timestamp, ['2000-01-01 00:00:00', 8]],
  [TYPE_OID.timestamptz, ['2000-01-01 00:00:00+00', 8]],
  [TYPE_OID.uuid, ['00000000-0000-0000-0000-000000000000', 16]],
])

function fixed(typeOid: number, format: 0 | 1): Buffer | null {
  if (TEXT_LIKE.has(typeOid)) return Buffer.from('***')
  if (typeOid === TYPE_OID.json) return Buffer.from('{}')
  if (typeOid === TYPE_OID.jsonb) return jsonb('{}', format)
  const zero = ZERO_VALUES.get(typeOid)
  if (zero === undefined) return null
  return format === 0 ? Buffer.from(zero[0]) : Buffer.alloc(zero[1])
}

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
    buffer.fill(STAR, start, kept)
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

function dateYear(typeOid: number, format: 0 | 1): ValueMask {
  if (TEXT_LIKE.has(typeOid)) return yearOfText
  switch (typeOid) {
    case TYPE_OID.date:
      return format === 0 ? yearOfText : yearOfBinaryDate
    case TYPE_OID.timestamp:
    case TYPE_OID.timestamptz:
      return format === 0 ? yearOfText : yearOfBinaryTimestamp
    default:
      return toNull
  }
}

/** DateStyle ISO, as dates and timestamps are written; in another style the value becomes NULL. */
const ISO_DATE = /^(\d{4,7})-\d\d-\d\d( \d\d:\d\d:\d\d(?:\.\d{1,6})?)?([+-]\d\d(?::\d\d){0,2})?( BC)?$/

/** Seven digits of year, microseconds, an offset with seconds, an era. */
const LONGEST_ISO_DATE = 45

/** The first instant of the year. The offset goes too: summer time would tell the half of the year. */
const yearOfText: ValueMask = (buffer, start, end) => {
  if (end - start > LONGEST_ISO_DATE) return null
  if (overwriteShortDate(buffer, start, end)) return 'in-place'
  const [, year, time, offset, era = ''] = ISO_DATE.exec(buffer.toString('latin1', start, end)) ?? []
  if (year === undefined) return null
  return Buffer.from(`${year}-01-01${time === undefined ? '' : ' 00:00:00'}${offset === undefined ? '' : '+00'}${era}`)
}

const SHORT_DATE = 'YYYY-MM-DD'
const HYPHEN = 0x2d

/** The same for the form that nearly all dates have, without a string or a copy. */
function overwriteShortDate(buffer: Buffer, start: number, end: number): boolean {
  if (end - start !== SHORT_DATE.length) return false
  for (let offset = 0; offset < SHORT_DATE.length; offset += 1) {
    const byte = buffer[start + offset] ?? 0
    const fits = offset === 4 || offset === 7 ? byte === HYPHEN : byte >= 0x30 && byte <= 0x39
    if (!fits) return false
  }
  buffer.write('01-01', start + 5, 'latin1')
  return true
}

const DAY_MS = 86_400_000
const DAY_US = 86_400_000_000n
const EPOCH_2000_MS = Date.UTC(2000, 0, 1)

/** int32, days from 2000-01-01. */
const yearOfBinaryDate: ValueMask = (buffer, start, end) => {
  if (end - start !== 4) return null
  const first = firstDayOfYear(buffer.readInt32BE(start))
  if (first === null) return null
  buffer.writeInt32BE(first, start)
  return 'in-place'
}

/** int64, microseconds from 2000-01-01. */
const yearOfBinaryTimestamp: ValueMask = (buffer, start, end) => {
  if (end - start !== 8) return null
  const first = firstDayOfYear(Number(floorDivide(buffer.readBigInt64BE(start), DAY_US)))
  if (first === null) return null
  buffer.writeBigInt64BE(BigInt(first) * DAY_US, start)
  return 'in-place'
}

function floorDivide(value: bigint, by: bigint): bigint {
  return value < 0n && value % by !== 0n ? value / by - 1n : value / by
}

/** Days from 2000-01-01; null beyond what Date can tell, which holds both infinities. */
function firstDayOfYear(day: number): number | null {
  const date = new Date(EPOCH_2000_MS + day * DAY_MS)
  const first = date.setUTCMonth(0, 1)
  return Number.isNaN(first) ? null : (first - EPOCH_2000_MS) / DAY_MS
}
