import { ConfigError, CountersignError, EvidenceError, PolicyError, StateError } from '../engine/index.ts'

/** sysexits.h's numbers, as `countersign --help` tells them. `approvals` and `evidence` add their own (see there). */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, internal: 70, io: 74, config: 78 } as const

/** How a command that died of this error ends. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof ConfigError || error instanceof PolicyError) return EXIT.config
  if (error instanceof EvidenceError || error instanceof StateError) return EXIT.io
  return error instanceof CountersignError ? EXIT.unavailable : EXIT.internal
}

/** What a person reads: our own errors in their own words, anything else with the place it came from. */
export function explain(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (error instanceof CountersignError) return `${error.message}\n(${error.code})`
  return `an error that nobody expected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
}

/** A command line that can't be understood. */
export class UsageError extends Error {}

/** node:util's parseArgs throws these for options that it doesn't know. */
export function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}
