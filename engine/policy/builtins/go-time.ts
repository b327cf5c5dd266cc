import { MONTHS, pieces, WEEKDAYS } from './go-layout.ts'
import type { Piece } from './go-layout.ts'
import { secondsOf } from './moments.ts'
import { beyondHost, wrongOperand } from './operands.ts'

/* Go's time.Parse: a text read by a layout. */

/** What has been read so far; a part that no chunk named stays as time.Parse has it. */
interface Reading {
  rest: string
  year: number
  month: number
  day: number
  yearDay: number
  hour: number
  minute: number
  second: number
  nanosecond: number
  afternoon: boolean | null
  offset: number
}

/** Nanoseconds since 1970, not yet judged for 64 bits. */
export function parseTime(layout: string, text: string, name: string): bigint {
  const reading: Reading = {
    rest: text,
    year: 0,
    month: -1,
    day: -1,
    yearDay: -1,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    afternoon: null,
    offset: 0,
  }
  const all = pieces(layout)
  for (const [at, piece] of all.entries()) {
    if (piece.kind === 'text') skip(piece.text, reading, name)
    else readChunk(piece.text, reading, all[at + 1], name)
  }
  if (reading.rest !== '') throw notThat(name)
  return assembled(reading, name)
}

/** A run of spaces in the layout takes any number of them, none at the text's end. */
function skip(literal: string, reading: Reading, name: string): void {
  let wanted = literal
  while (wanted !== '') {
    if (wanted.startsWith(' ')) {
      if (reading.rest !== '' && !reading.rest.startsWith(' ')) throw notThat(name)
      wanted = wanted.replace(/^ +/, '')
      reading.rest = reading.rest.replace(/^ +/, '')
      continue
    }
    if (reading.rest === '' || reading.rest[0] !== wanted[0]) throw notThat(name)
    wanted = wanted.slice(1)
    reading.rest = reading.rest.slice(1)
  }
}

function readChunk(chunk: string, reading: Reading, next: Piece | undefined, name: string): void {
  switch (chunk) {
    case '2006':
      reading.year = number(/^\d{4}/, reading, name)
      return
    case '06': {
      const short = number(/^\d{2}/, reading, name)
      reading.year = short >= 69 ? 1900 + short : 2000 + short
      return
    }
    case '1':
      reading.month = within(number(/^\d{1,2}/, reading, name), 1, 12, name)
      return
    case '01':
      reading.month = within(number(/^\d{2}/, reading, name), 1, 12, name)
      return
    case 'January':
      reading.month = named(MONTHS, reading, name) + 1
      return
    case 'Jan':
      reading.month =
        named(
          MONTHS.map((month) => month.slice(0, 3)),
          reading,
          name,
        ) + 1
      return
    case 'Monday':
      named(WEEKDAYS, reading, name)
      return
    case 'Mon':
      named(
        WEEKDAYS.map((day) => day.slice(0, 3)),
        reading,
        name,
      )
      return
    case '2':
    case '_2':
      if (chunk === '_2') reading.rest = reading.rest.replace(/^ /, '')
      reading.day = number(/^\d{1,2}/, reading, name)
      return
    case '02':
      reading.day = number(/^\d{2}/, reading, name)
      return
    case '002':
      reading.yearDay = number(/^\d{3}/, reading, name)
      return
    case '__2':
      reading.rest = reading.rest.replace(/^ {1,2}/, '')
      reading.yearDay = number(/^\d{1,3}/, reading, name)
      return
    case '15':
      reading.hour = within(number(/^\d{1,2}/, reading, name), 0, 23, name)
      return
    case '3':
      reading.hour = within(number(/^\d{1,2}/, reading, name), 0, 12, name)
      return
    case '03':
      reading.hour = within(number(/^\d{2}/, reading, name), 0, 12, name)
      return
    case '4':
      reading.minute = within(number(/^\d{1,2}/, reading, name), 0, 59, name)
      return
    case '04':
      reading.minute = within(number(/^\d{2}/, reading, name), 0, 59, name)
      return
    case '5':
      reading.second = within(number(/^\d{1,2}/, reading, name), 0, 59, name)
      return looseFraction(reading, next)
    case '05':
      reading.second = within(number(/^\d{2}/, reading, name), 0, 59, name)
      return looseFraction(reading, next)
    case 'PM':
    case 'pm':
      reading.afternoon = named(chunk === 'PM' ? ['AM', 'PM'] : ['am', 'pm'], reading, name, true) === 1
      return
    case 'MST':
      return abbreviation(reading, name)
    default:
      return /^[.,]/.test(chunk) ? exactFraction(chunk, reading, name) : readOffset(chunk, reading, name)
  }
}

function take(pattern: RegExp, reading: Reading, name: string): string {
  const found = pattern.exec(reading.rest)?.[0]
  if (found === undefined) throw notThat(name)
  reading.rest = reading.rest.slice(found.length)
  return found
}

function number(pattern: RegExp, reading: Reading, name: string): number {
  return Number(take(pattern, reading, name))
}

function within(value: number, least: number, most: number, name: string): number {
  if (value < least || value > most) throw notThat(name)
  return value
}

function named(names: readonly string[], reading: Reading, name: string, exact = false): number {
  const fold = (text: string): string => (exact ? text : text.toLowerCase())
  const at = names.findIndex((each) => fold(reading.rest.slice(0, each.length)) === fold(each))
  if (at < 0) throw notThat(name)
  reading.rest = reading.rest.slice(names[at]?.length)
  return at
}

/** Seconds take a fraction along even where the layout names none. */
function looseFraction(reading: Reading, next: Piece | undefined): void {
  if (next?.kind === 'chunk' && /^[.,]/.test(next.text)) return
  const found = /^[.,](\d+)/.exec(reading.rest)
  if (found === null) return
  reading.rest = reading.rest.slice(found[0].length)
  reading.nanosecond = nanosecondsOf(found[1] ?? '')
}

function exactFraction(chunk: string, reading: Reading, name: string): void {
  if (chunk[1] === '9') {
    const found = /^[.,](\d+)/.exec(reading.rest)
    if (found === null) return
    reading.rest = reading.rest.slice(found[0].length)
    reading.nanosecond = nanosecondsOf(found[1] ?? '')
    return
  }
  const digits = take(new RegExp(`^[.,]\\d{${chunk.length - 1}}`), reading, name)
  reading.nanosecond = nanosecondsOf(digits.slice(1))
}

function nanosecondsOf(digits: string): number {
  return Number(digits.slice(0, 9).padEnd(9, '0'))
}

/** An abbreviation tells no offset but UTC's own and `GMT+3`'s: Go takes any other for an unknown place at offset 0. */
function abbreviation(reading: Reading, name: string): void {
  const text = take(/^(?:UTC|GMT[+-]\d{1,2}|ChST|MeST|WITA|[A-Z]{3,4}T|[A-Z]{3}|[+-]\d{2,4})/, reading, name)
  if (/^[+-]/.test(text)) throw beyondHost(name, 'a zone that is only a number')
  if (text.startsWith('GMT') && text.length > 3) reading.offset = Number(text.slice(3)) * 3600
}

function readOffset(chunk: string, reading: Reading, name: string): void {
  if (chunk.startsWith('Z') && reading.rest.startsWith('Z')) {
    reading.rest = reading.rest.slice(1)
    return
  }
  const separator = chunk.includes(':') ? ':' : ''
  const count = chunk.endsWith('07') ? 1 : /(?:07:00:00|070000)$/.test(chunk) ? 3 : 2
  const found = take(new RegExp(`^[+-]${Array.from({ length: count }, () => '\\d\\d').join(separator)}`), reading, name)
  const [hours = 0, minutes = 0, seconds = 0] = (found.slice(1).match(/\d\d/g) ?? []).map(Number)
  if (hours > 24 || minutes > 60 || seconds > 60) throw notThat(name)
  reading.offset = (hours * 3600 + minutes * 60 + seconds) * (found.startsWith('-') ? -1 : 1)
}

function assembled(reading: Reading, name: string): bigint {
  const hour =
    reading.afternoon === true && reading.hour < 12
      ? reading.hour + 12
      : reading.afternoon === false && reading.hour === 12
        ? 0
        : reading.hour
  const [month, day] = monthAndDay(reading, name)
  const seconds = secondsOf([reading.year, month, day, hour, reading.minute, reading.second])
  if (seconds === undefined) throw notThat(name)
  return BigInt(seconds - reading.offset) * 1_000_000_000n + BigInt(reading.nanosecond)
}

function monthAndDay({ year, month, day, yearDay }: Reading, name: string): readonly [number, number] {
  if (yearDay < 0) return [month < 0 ? 1 : month, day < 0 ? 1 : day]
  const at = new Date(0)
  at.setUTCFullYear(year, 0, yearDay)
  const [namedMonth, namedDay] = [at.getUTCMonth() + 1, at.getUTCDate()]
  const right = at.getUTCFullYear() === year && yearDay > 0
  if (!right || (month >= 0 && month !== namedMonth) || (day >= 0 && day !== namedDay)) throw notThat(name)
  return [namedMonth, namedDay]
}

function notThat(name: string): Error {
  return wrongOperand(name, 'a time as the layout writes it')
}
