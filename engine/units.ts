const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }

/** A whole number above 0 and its unit, nothing between: `15m`. Kept as text so that JSON Schema can hold it. */
export const DURATION_PATTERN = '^[1-9][0-9]{0,8}(ms|s|m|h|d)$'
/** As durations: `1MiB`. Powers of two only, so that nobody has to ask which. */
export const SIZE_PATTERN = '^[1-9][0-9]{0,8}(B|KiB|MiB|GiB)$'

/** `15m` → 900000 milliseconds; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_PATTERN, MILLISECONDS)
}

/** `1MiB` → 1048576 bytes; undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_PATTERN, BYTES)
}

function parse(text: string, pattern: string, units: Readonly<Record<string, number>>): number | undefined {
  const unit = new RegExp(pattern).exec(text)?.[1]
  const factor = unit === undefined ? undefined : units[unit]
  return factor === undefined ? undefined : Number.parseInt(text, 10) * factor
}

/** Of a duration that the schema has let through. */
export function milliseconds(written: string): number {
  return parseDuration(written) ?? 0
}

/** Of a size that the schema has let through. */
export function bytes(written: string): number {
  return parseSize(written) ?? 0
}
