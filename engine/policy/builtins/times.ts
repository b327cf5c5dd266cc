import { isNumber, regoNumber } from '../rego-value.ts'
import type { RegoNumber, RegoValue } from '../rego-value.ts'
import { parseDuration } from './durations.ts'
import { formatTime, LAYOUTS, WEEKDAYS } from './go-layout.ts'
import { parseTime } from './go-time.ts'
import { checkZone, secondsAt, secondsOf, wallClock } from './moments.ts'
import type { Moment, WallClock } from './moments.ts'
import { fitsInt64, int64Operand, integerOperand, stringOperand, wrongOperand } from './operands.ts'
import type { Calls } from './operands.ts'

const NS_PER_SECOND = 1_000_000_000n
// As Go's time.Parse takes RFC 3339: an hour of one digit and a comma before the fraction pass, lower case doesn't.
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

export const TIME_CALLS: Calls = {
  'time.add_date': ([at, years, months, days], name) =>
    addDate(
      momentOf(at, name),
      [years, months, days].map((part) => Number(integerOperand(part, name))),
      name,
    ),
  'time.clock': ([at], name) => {
    const { hour, minute, second } = wallClock(momentOf(at, name), name)
    return [hour, minute, second].map(regoNumber)
  },
  'time.date': ([at], name) => {
    const { year, month, day } = wallClock(momentOf(at, name), name)
    return [year, month, day].map(regoNumber)
  },
  'time.diff': ([one, other], name) => difference(momentOf(one, name), momentOf(other, name), name),
  'time.format': ([at], name) => {
    const { zone, layout, ...moment } = momentOf(at, name)
    const pattern = layout === '' ? 'RFC3339Nano' : layout
    return formatTime(wallClock({ ...moment, zone }, name), LAYOUTS[pattern] ?? pattern, zone, name)
  },
  'time.parse_duration_ns': ([text], name) => regoNumber(parseDuration(stringOperand(text, name), name)),
  'time.parse_ns': ([layout, text], name) => {
    const pattern = stringOperand(layout, name)
    return nanoseconds(parseTime(LAYOUTS[pattern] ?? pattern, stringOperand(text, name), name), name)
  },
  'time.parse_rfc3339_ns': ([text], name) => parseRfc3339(stringOperand(text, name), name),
  'time.weekday': ([at], name) => WEEKDAYS[wallClock(momentOf(at, name), name).weekday] ?? '',
}

/** Nanoseconds since 1970 in 64 bits. */
function parseRfc3339(text: string, name: string): RegoNumber {
  const found = RFC3339.exec(text)
  if (found === null) throw wrongOperand(name, 'a time as RFC 3339 writes it')
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = found
  const parts = [year, month, day, hour, minute, second].map(Number)
  const offset = [Number(offsetHours), Number(offsetMinutes)] as const
  const seconds = secondsOf(parts)
  // Go lets an offset reach 24:60.
  if (seconds === undefined || offset[0] > 24 || offset[1] > 60) throw wrongOperand(name, 'a date and time that exist')
  const shift = (sign === '-' ? -1 : 1) * (offset[0] * 3600 + offset[1] * 60)
  return nanoseconds(BigInt(seconds - shift) * NS_PER_SECOND + BigInt(fraction.slice(0, 9).padEnd(9, '0')), name)
}

function nanoseconds(ns: bigint, name: string): RegoNumber {
  if (!fitsInt64(ns)) throw wrongOperand(name, 'a time between 1677 and 2262')
  return regoNumber(ns)
}

/** OPA's operand: nanoseconds, or `[nanoseconds, zone, layout]`. */
function momentOf(operand: RegoValue | undefined, name: string): Moment & { readonly layout: string } {
  if (operand !== undefined && isNumber(operand)) return { ns: int64Operand(operand, name), zone: 'UTC', layout: '' }
  if (!Array.isArray(operand)) throw wrongOperand(name, 'nanoseconds or [nanoseconds, time zone]')
  const [ns, zone, layout]: readonly RegoValue[] = operand
  const at = int64Operand(ns, name)
  const place = zone === undefined ? 'UTC' : stringOperand(zone, name)
  checkZone(place, name)
  return { ns: at, zone: place, layout: layout === undefined ? '' : stringOperand(layout, name) }
}

function addDate(at: Moment, [years = 0, months = 0, days = 0]: readonly number[], name: string): RegoNumber {
  const { year, month, day, hour, minute, second, nanosecond } = wallClock(at, name)
  const seconds = secondsAt([year + years, month + months, day + days, hour, minute, second], at.zone, name)
  return nanoseconds(BigInt(seconds) * NS_PER_SECOND + BigInt(nanosecond), name)
}

/** Years to seconds between two moments, seen in the first one's zone; the earlier counts from, whichever it is. */
function difference(one: Moment, other: Moment, name: string): RegoValue {
  const [from, to] = one.ns <= other.ns ? [one.ns, other.ns] : [other.ns, one.ns]
  const [start, end] = [wallClock({ ns: from, zone: one.zone }, name), wallClock({ ns: to, zone: one.zone }, name)]
  const parts = fields(end).map((value, at) => value - (fields(start)[at] ?? 0))
  const carry = (at: number, size: number): void => {
    if ((parts[at] ?? 0) >= 0) return
    parts[at] = (parts[at] ?? 0) + size
    parts[at - 1] = (parts[at - 1] ?? 0) - 1
  }
  for (const [at, size] of [
    [5, 60],
    [4, 60],
    [3, 24],
    [2, daysIn(start)],
    [1, 12],
  ] as const)
    carry(at, size)
  return parts.map(regoNumber)
}

function fields({ year, month, day, hour, minute, second }: WallClock): readonly number[] {
  return [year, month, day, hour, minute, second]
}

function daysIn({ year, month }: WallClock): number {
  const last = new Date(0)
  last.setUTCFullYear(year, month, 0)
  return last.getUTCDate()
}
