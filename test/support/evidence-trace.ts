import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../engine/index.ts'
import { parseRecord } from '../../engine/evidence/decision-record.ts'
import type { EvidenceRecord } from '../../engine/evidence/decision-record.ts'

/** A record with the mark that the load put into its statement. */
export interface Traced {
  readonly record: EvidenceRecord
  readonly mark: string | null
}

const MARK = /\bm\d+_\d+_\d+\b/

/** Every whole record of a directory; half a line at a file's end, as a kill leaves it, is passed over. */
export function traceEvidence(directory: string): Traced[] {
  const records = join(directory, 'records')
  return readdirSync(records)
    .toSorted()
    .flatMap((name) => readFileSync(join(records, name), 'utf8').split('\n').slice(0, -1))
    .flatMap(traced)
}

function traced(line: string): Traced[] {
  const outer: JsonObject = JSON.parse(line)
  const record = parseRecord(outer['record'] ?? null, { kind: 'none' })
  if (record === undefined) throw new Error(`not a record: ${line.slice(0, 200)}`)
  return [{ record, mark: MARK.exec(line)?.[0] ?? null }]
}

/** All bytes of a directory of evidence, to be searched. A partial tile that a fuller one replaces goes: then all anew. */
export function evidenceBytes(directory: string): Buffer {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return allBytes(directory)
    } catch (error) {
      const gone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (!gone || attempts === 20) throw error
    }
  }
}

function allBytes(directory: string): Buffer {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))))
}
