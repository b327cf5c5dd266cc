import { wrongUsage } from './command-line.ts'

const FORM = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/

/** A moment on a command line, as records have it. A day is its first moment, UTC; a time of day needs `Z` or an offset. */
export function moment(option: string, text: string | undefined, usage: string): string | null {
  if (text === undefined) return null
  const ms = FORM.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return new Date(ms).toISOString()
  throw wrongUsage(`${option}: expected 2026-11-25 or 2026-11-25T08:00:00Z; found ${JSON.stringify(text)}`, usage)
}
