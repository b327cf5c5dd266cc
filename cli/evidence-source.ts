import { loadConfig, type LoadedConfig } from '../engine/config/index.ts'
import { readRecords, type StoredRecord } from '../engine/evidence/index.ts'
import { wrongUsage } from './command-line.ts'

/** Where a command reads evidence: the gateway's own directory, by its configuration, or copies of some. */
export interface EvidenceSource {
  readonly directories: readonly string[]
  /** null: copies. What was done with them is nobody's to record. */
  readonly live: LoadedConfig | null
}

/** Throws UsageError with `usage` unless there is one of the two. */
export function evidenceSource(
  directories: readonly string[],
  config: string | undefined,
  usage: string,
): EvidenceSource {
  if (config === undefined && directories.length === 0)
    throw wrongUsage('expected a directory of evidence, or --config FILE; found neither', usage)
  if (config === undefined) return { directories, live: null }
  if (directories.length > 0) throw wrongUsage('expected a directory of evidence or --config FILE; found both', usage)
  const live = loadConfig(config)
  return { directories: [live.config.evidence.directory], live }
}

/** All records of each, one directory after another. */
export async function* recordsOf({ directories }: EvidenceSource): AsyncGenerator<StoredRecord> {
  for (const directory of directories) yield* readRecords(directory)
}

/** `2026-11-25T09:00Z`, or a day; undefined where the option isn't given. Throws UsageError. */
export function timeOption(name: string, text: string | undefined, usage: string): number | null {
  if (text === undefined) return null
  const ms = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw wrongUsage(`--${name}: expected a day, or a time with its zone (2026-11-25T09:00Z); found ${text}`, usage)
}
