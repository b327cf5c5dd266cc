import { TEXT_LIKE, TYPE_OID, type ValueMask } from './value-form.ts'

/** The first instant of a date's year, in its own type; NULL for what is no date. */
export function dateYear(typeOid: number, format: 0 | 1): ValueMask {
  if (TEXT_LIKE.has(typeOid)) return yearOfText
  switch (typeOid) {
    case TYPE_OID.date:
      return format === 0 ? yearOfText : yearOfBinaryDate
    case TYPE_OID.timestamp:
    case TYPE_OID.timestamptz:
      return format === 0 ? yearOfText : yearOfBinaryTimestamp
    default:
      return () => null
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
const ZERO = 0x30
const NINE = 0x39

/** The same for the form that nearly all dates have, without a string or a copy. */
function overwriteShortDate(buffer: Buffer, start: number, end: number): boolean {
  if (end - start !== SHORT_DATE.length) return false
  for (let offset = 0; offset < SHORT_DATE.length; offset += 1) {
    const byte = buffer[start + offset] ?? 0
    const fits = offset === 4 || offset === 7 ? byte === HYPHEN : byte >= ZERO && byte <= NINE
    if (!fits) return false
  }
  buffer[start + 5] = ZERO
  buffer[start + 6] = ZERO + 1
  buffer[start + 8] = ZERO
  buffer[start + 9] = ZERO + 1
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
