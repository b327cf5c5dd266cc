import { wrongUsage } from './command-line.ts'

/** A time in an option's value, in the form that records have: a day is its first instant, UTC. Throws UsageError. */
export function timeOption(option: string, value: string | undefined, usage: string): string | null {
  if (value === undefined) return null
  const shaped = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(value)
  const day = value.slice(0, 10)
  const ms = shaped ? Date.parse(value) : Number.NaN
  // The engine takes 31 February for 3 March.
  if (!Number.isNaN(ms) && new Date(Date.parse(day)).toISOString().startsWith(day)) return new Date(ms).toISOString()
  throw wrongUsage(
    `${option}: expected a day or a time with its zone, such as 2026-11-25 or 2026-11-25T18:00:00Z; found ${value}`,
    usage,
  )
}
