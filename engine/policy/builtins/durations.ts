import { fitsInt64, wrongOperand } from './operands.ts'

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['\u00b5s', 1_000n],
  ['\u03bcs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
  ['d', 86_400_000_000_000n],
  ['w', 604_800_000_000_000n],
  ['y', 31_536_000_000_000_000n],
])
const SEGMENT = /(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|[smhdwy])/y

/** Go's time.ParseDuration with OPA's days, weeks and years: `1d2h30m`, in nanoseconds, a fraction of one cut off. */
export function parseDuration(text: string, name: string): bigint {
  const negative = text.startsWith('-')
  const body = text.replace(/^[+-]/, '')
  if (body === '0') return 0n
  let total = 0n
  SEGMENT.lastIndex = 0
  let at = 0
  while (at < body.length) {
    SEGMENT.lastIndex = at
    const [whole, digits = '', fraction = '', unit = ''] = SEGMENT.exec(body) ?? []
    const size = UNITS.get(unit)
    if (whole === undefined || size === undefined || digits + fraction === '') throw notOne(name)
    total += BigInt(digits === '' ? 0 : digits) * size
    if (fraction !== '') total += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length)
    at += whole.length
  }
  if (body === '' || !fitsInt64(negative ? -total : total)) throw notOne(name)
  return negative ? -total : total
}

function notOne(name: string): Error {
  return wrongOperand(name, 'a duration, such as 1h30m or 2d')
}
