import { fitsInt64, int64Operand, stringOperand, wrongOperand } from './operands.ts'
import { isNumber, regoNumber } from './rego-value.ts'
import type { RegoNumber, RegoValue } from './rego-value.ts'

/** A moment on the wall of some place. */
interface WallClock {
  readonly date: readonly [year: number, month: number, day: number]
  readonly clock: readonly [hour: number, minute: number, second: number]
  readonly weekday: string
}

const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1_000_000_000n
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
// As Go's time.Parse takes RFC 3339: an hour of one digit and a comma before the fraction pass, lower case doesn't.
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

/** time.parse_rfc3339_ns: nanoseconds since 1970 in 64 bits. */
export function parseRfc3339(operands: readonly RegoValue[]): RegoNumber {
  const what = 'time.parse_rfc3339_ns'
  const found = RFC3339.exec(stringOperand(operands[0], what))
  if (found === null) throw wrongOperand(what, 'a time as RFC 3339 writes it')
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = found
  const parts = [year, month, day, hour, minute, second].map(Number)
  const offset = [Number(offsetHours), Number(offsetMinutes)] as const
  const seconds = secondsOf(parts)
  // Go lets an offset reach 24:60.
  if (seconds === undefined || offset[0] > 24 || offset[1] > 60) throw wrongOperand(what, 'a date and time that exist')
  const shift = (sign === '-' ? -1 : 1) * (offset[0] * 3600 + offset[1] * 60)
  const ns = BigInt(seconds - shift) * NS_PER_SECOND + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  if (!fitsInt64(ns)) throw wrongOperand(what, 'a time between 1677 and 2262')
  return regoNumber(ns)
}

export function date(operands: readonly RegoValue[]): RegoValue {
  return wallClock(operands, 'time.date').date.map(regoNumber)
}

export function clock(operands: readonly RegoValue[]): RegoValue {
  return wallClock(operands, 'time.clock').clock.map(regoNumber)
}

export function weekday(operands: readonly RegoValue[]): RegoValue {
  return wallClock(operands, 'time.weekday').weekday
}

/** Seconds since 1970, or undefined for a day or time that isn't one. */
function secondsOf(parts: readonly number[]): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  at.setUTCHours(hour, minute, second)
  const back = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]
  back.push(at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds())
  return back.every((value, index) => value === parts[index]) ? at.getTime() / 1000 : undefined
}

/** OPA's operand: nanoseconds, or `[nanoseconds, zone]`, with a layout behind that these builtins ignore. */
function wallClock(operands: readonly RegoValue[], what: string): WallClock {
  const [operand] = operands
  if (operand !== undefined && isNumber(operand)) return utc(int64Operand(operand, what))
  if (!Array.isArray(operand)) throw wrongOperand(what, 'nanoseconds or [nanoseconds, time zone]')
  const [ns, zone, layout]: readonly RegoValue[] = operand
  const at = int64Operand(ns, what)
  const name = zone === undefined ? 'UTC' : stringOperand(zone, what)
  if (layout !== undefined) stringOperand(layout, what)
  return name === '' || name === 'UTC' ? utc(at) : zoned(at, name, what)
}

function utc(ns: bigint): WallClock {
  const at = new Date(milliseconds(ns))
  return {
    date: [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()],
    clock: [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()],
    weekday: WEEKDAYS[at.getUTCDay()] ?? '',
  }
}

function zoned(ns: bigint, zone: string, what: string): WallClock {
  const parts = new Map(
    formatOf(zone, what)
      .formatToParts(milliseconds(ns))
      .map(({ type, value }) => [type, value]),
  )
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type))
  return {
    date: [number('year'), number('month'), number('day')],
    clock: [number('hour'), number('minute'), number('second')],
    weekday: parts.get('weekday') ?? '',
  }
}

/** Towards the past, also before 1970. */
function milliseconds(ns: bigint): number {
  const whole = ns / NS_PER_MS
  return Number(ns < whole * NS_PER_MS ? whole - 1n : whole)
}

// At most one an IANA zone, since only known zones get in.
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string, what: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = newFormat(zone, what)
  formats.set(zone, format)
  return format
}

/** `Local` would be this machine's zone, and offsets are no names to Go: both refused. Go minds the case of a name. */
function newFormat(zone: string, what: string): Intl.DateTimeFormat {
  const expected = 'the name of a time zone, such as Europe/London'
  try {
    if (!/^[A-Z][A-Za-z0-9_+/-]*$/.test(zone)) throw wrongOperand(what, expected)
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      weekday: 'long',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    const { timeZone } = format.resolvedOptions()
    if (timeZone !== zone && timeZone.toLowerCase() === zone.toLowerCase()) throw wrongOperand(what, expected)
    return format
  } catch {
    throw wrongOperand(what, expected)
  }
}
