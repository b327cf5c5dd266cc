import { wrongOperand } from './operands.ts'

/** A moment, and the zone it is seen in. */
export interface Moment {
  readonly ns: bigint
  readonly zone: string
}

/** What a wall clock and a calendar show. */
export interface WallClock {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly nanosecond: number
  /** 0 is Sunday. */
  readonly weekday: number
  /** Seconds east of Greenwich. */
  readonly offset: number
}

const NS_PER_SECOND = 1_000_000_000n

export function wallClock({ ns, zone }: Moment, name: string): WallClock {
  const second = floorDiv(ns, NS_PER_SECOND)
  const offset = offsetAt(Number(second), zone, name)
  const at = new Date((Number(second) + offset) * 1000)
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    hour: at.getUTCHours(),
    minute: at.getUTCMinutes(),
    second: at.getUTCSeconds(),
    nanosecond: Number(ns - second * NS_PER_SECOND),
    weekday: at.getUTCDay(),
    offset,
  }
}

/** Seconds since 1970 of a date and time in a zone; days and months may run over. In a gap or a fold as Go's time.Date. */
export function secondsAt(parts: readonly number[], zone: string, name: string): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  at.setUTCHours(hour, minute, second)
  const wall = at.getTime() / 1000
  if (!Number.isFinite(wall)) throw wrongOperand(name, 'a time between 1677 and 2262')
  const first = offsetAt(wall, zone, name)
  return first === 0 ? wall : wall - offsetAt(wall - first, zone, name)
}

/** Seconds since 1970, or undefined for a day or time that isn't one. */
export function secondsOf(parts: readonly number[]): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const at = new Date(0)
  at.setUTCFullYear(year, month - 1, day)
  at.setUTCHours(hour, minute, second)
  const back = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()]
  back.push(at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds())
  return back.every((value, index) => value === parts[index]) ? at.getTime() / 1000 : undefined
}

function floorDiv(value: bigint, by: bigint): bigint {
  const whole = value / by
  return value < whole * by ? whole - 1n : whole
}

/** Seconds east of Greenwich, at a second since 1970. */
function offsetAt(second: number, zone: string, name: string): number {
  if (zone === '' || zone === 'UTC') return 0
  const parts = new Map(
    formatOf(zone, name)
      .formatToParts(second * 1000)
      .map(({ type, value }) => [type, value]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type))
  const at = new Date(0)
  at.setUTCFullYear(part('year'), part('month') - 1, part('day'))
  at.setUTCHours(part('hour'), part('minute'), part('second'))
  return at.getTime() / 1000 - second
}

/** Throws unless the name is one of a zone. */
export function checkZone(zone: string, name: string): void {
  if (zone !== '' && zone !== 'UTC') formatOf(zone, name)
}

// At most one an IANA zone, since only known zones get in.
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string, name: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = newFormat(zone, name)
  formats.set(zone, format)
  return format
}

/** `Local` would be this machine's zone, and offsets are no names to Go: both refused. Go minds the case of a name. */
function newFormat(zone: string, name: string): Intl.DateTimeFormat {
  const expected = 'the name of a time zone, such as Europe/London'
  try {
    if (!/^[A-Z][A-Za-z0-9_+/-]*$/.test(zone)) throw wrongOperand(name, expected)
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    const { timeZone } = format.resolvedOptions()
    if (timeZone !== zone && timeZone.toLowerCase() === zone.toLowerCase()) throw wrongOperand(name, expected)
    return format
  } catch {
    throw wrongOperand(name, expected)
  }
}
