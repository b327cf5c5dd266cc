import { secondsOf } from './moments.ts'
import type { WallClock } from './moments.ts'
import { beyondHost } from './operands.ts'

/*
 * Go's layouts: the time Mon Jan 2 15:04:05 MST 2006, -0700, written as the wanted format writes it. What is no part of that
 * time stands for itself.
 */

export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

/** The names that OPA takes in a layout's place. */
export const LAYOUTS: Readonly<Record<string, string>> = {
  ANSIC: 'Mon Jan _2 15:04:05 2006',
  UnixDate: 'Mon Jan _2 15:04:05 MST 2006',
  RubyDate: 'Mon Jan 02 15:04:05 -0700 2006',
  RFC822: '02 Jan 06 15:04 MST',
  RFC822Z: '02 Jan 06 15:04 -0700',
  RFC850: 'Monday, 02-Jan-06 15:04:05 MST',
  RFC1123: 'Mon, 02 Jan 2006 15:04:05 MST',
  RFC1123Z: 'Mon, 02 Jan 2006 15:04:05 -0700',
  RFC3339: '2006-01-02T15:04:05Z07:00',
  RFC3339Nano: '2006-01-02T15:04:05.999999999Z07:00',
}

// Longest first; `Jan` and `Mon` only where no lower-case letter follows, a fraction only where no digit does.
const CHUNK =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|01|02|03|04|05|06|2006|__2|_2(?!006)|15|PM|pm|-07:00:00|-070000|-07:00|-0700|-07|Z07:00:00|Z070000|Z07:00|Z0700|Z07|[.,](?:0+|9+)(?!\d)|1|2|3|4|5/g

export interface Piece {
  readonly kind: 'text' | 'chunk'
  readonly text: string
}

export function pieces(layout: string): Piece[] {
  const out: Piece[] = []
  let at = 0
  for (const match of layout.matchAll(CHUNK)) {
    if (match.index > at) out.push({ kind: 'text', text: layout.slice(at, match.index) })
    out.push({ kind: 'chunk', text: match[0] })
    at = match.index + match[0].length
  }
  if (at < layout.length) out.push({ kind: 'text', text: layout.slice(at) })
  return out
}

export function formatTime(time: WallClock, layout: string, zone: string, name: string): string {
  return pieces(layout)
    .map(({ kind, text }) => (kind === 'text' ? text : chunkText(text, time, zone, name)))
    .join('')
}

function chunkText(chunk: string, time: WallClock, zone: string, name: string): string {
  const { year, month, day, hour, minute, second, weekday } = time
  const monthName = MONTHS[month - 1] ?? ''
  const dayName = WEEKDAYS[weekday] ?? ''
  const hour12 = hour % 12 === 0 ? 12 : hour % 12
  const yearDay = (): number =>
    ((secondsOf([year, month, day, 0, 0, 0]) ?? 0) - (secondsOf([year, 1, 1, 0, 0, 0]) ?? 0)) / 86_400 + 1
  switch (chunk) {
    case 'January':
      return monthName
    case 'Jan':
      return monthName.slice(0, 3)
    case 'Monday':
      return dayName
    case 'Mon':
      return dayName.slice(0, 3)
    case 'MST':
      if (zone === '' || zone === 'UTC') return 'UTC'
      throw beyondHost(name, "a zone's abbreviation; use its offset (-0700)")
    case '2006':
      return String(year).padStart(4, '0')
    case '06':
      return pad(year % 100)
    case '1':
      return String(month)
    case '01':
      return pad(month)
    case '2':
      return String(day)
    case '02':
      return pad(day)
    case '_2':
      return String(day).padStart(2, ' ')
    case '002':
      return String(yearDay()).padStart(3, '0')
    case '__2':
      return String(yearDay()).padStart(3, ' ')
    case '15':
      return pad(hour)
    case '3':
      return String(hour12)
    case '03':
      return pad(hour12)
    case '4':
      return String(minute)
    case '04':
      return pad(minute)
    case '5':
      return String(second)
    case '05':
      return pad(second)
    case 'PM':
      return hour < 12 ? 'AM' : 'PM'
    case 'pm':
      return hour < 12 ? 'am' : 'pm'
    default:
      return /^[.,]/.test(chunk) ? fraction(chunk, time.nanosecond) : offsetText(chunk, time.offset)
  }
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}

/** `.000` has so many digits, `.999` at most so many and no trailing zero, nor a point alone. */
function fraction(chunk: string, nanosecond: number): string {
  const digits = String(nanosecond)
    .padStart(9, '0')
    .slice(0, chunk.length - 1)
    .padEnd(chunk.length - 1, '0')
  if (chunk[1] === '0') return chunk.charAt(0) + digits
  const short = digits.replace(/0+$/, '')
  return short === '' ? '' : chunk.charAt(0) + short
}

function offsetText(chunk: string, offset: number): string {
  if (chunk.startsWith('Z') && offset === 0) return 'Z'
  const size = Math.abs(offset)
  const [hours, minutes, seconds] = [Math.trunc(size / 3600), Math.trunc(size / 60) % 60, size % 60]
  const parts = chunk.endsWith('07')
    ? [hours]
    : /(?:07:00:00|070000)$/.test(chunk)
      ? [hours, minutes, seconds]
      : [hours, minutes]
  return (offset < 0 ? '-' : '+') + parts.map(pad).join(chunk.includes(':') ? ':' : '')
}
