import type { JsonObject, JsonValue } from '../../access-request.ts'
import { canonicalJson } from '../canonical-json.ts'
import { asObject, asText, isCount, isLeaf } from '../decision-record.ts'
import { fromBase64 } from '../signed-note.ts'
import { parseQuery, type Query } from './query.ts'

/** Of the bundle, told by its manifest; a verifier that knows another one says that it can't verify. */
export const BUNDLE_FORMAT = 1
/** Of the files that are derived from the records. Another one derives other bytes, which is then nobody's tampering. */
export const MAPPING = { version: 1, ocsf: '1.8.0', oscal: '1.2.1' } as const

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
const PREDICATE_TYPE = 'https://countersign.dev/evidence-export/v1'

export const MANIFEST = 'manifest.dsse.json'
/** What every bundle has, beside the manifest. */
export const FILES = {
  checkpoint: 'checkpoint.txt',
  records: 'records.ndjson',
  context: 'proofs/context.ndjson',
  hashes: 'proofs/hashes.txt',
  ocsf: 'ocsf.ndjson',
  oscal: 'oscal/assessment-results.json',
  verify: 'VERIFY.md',
} as const
/** Made from the records and a control pack, where there is one. */
export const REPORT_FILES = ['controls.csv', 'report.html', 'report.pdf'] as const
export const recordingName = (writer: string): string => `recordings/${writer}.ndjson`
export const policyFolder = (digest: string): string => `policy/${digest}`

/** A stretch of the log, both ends in it. */
export interface Range {
  readonly first: number
  readonly last: number
}

export interface Counts {
  readonly records: number
  /** Records that the query didn't ask for, and that are needed to judge those that it did. */
  readonly context: number
  /** Frames, and files of them. */
  readonly frames: number
  readonly recordings: number
  /** Records by event. */
  readonly events: Readonly<Record<string, number>>
}

/** What the manifest says of the bundle. No time of its making: the same question at the same checkpoint has one answer. */
export interface Predicate {
  readonly log: { readonly origin: string; readonly size: number; readonly root: string }
  readonly query: Query
  /** Leaf indexes that the query looked at; null when no record of the log is within its times. */
  readonly range: Range | null
  readonly counts: Counts
  readonly mapping: { readonly version: number; readonly ocsf: string; readonly oscal: string }
  /** The version of Countersign that made it. */
  readonly producer: string
}

export interface Manifest {
  /** SHA-256 by file, hex. */
  readonly files: ReadonlyMap<string, string>
  readonly predicate: Predicate
}

/** An in-toto Statement v1, canonical JSON: what the envelope carries. */
export function manifestText({ files, predicate }: Manifest): string {
  return canonicalJson({
    _type: STATEMENT_TYPE,
    subject: [...files].map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: PREDICATE_TYPE,
    predicate: { bundle: BUNDLE_FORMAT, ...predicate },
  })
}

export type ParsedManifest =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'unknown'; readonly found: string }
  | { readonly kind: 'broken' }

/** Reads a manifest strictly: one spelling only. `unknown`: of a format that this build doesn't know. */
export function parseManifest(text: string): ParsedManifest {
  const statement = asObject(parsed(text)) ?? {}
  const fields = asObject(statement.predicate) ?? {}
  if (statement._type !== STATEMENT_TYPE || statement.predicateType !== PREDICATE_TYPE) {
    return { kind: 'unknown', found: asText(statement.predicateType) ?? 'no in-toto statement' }
  }
  if (fields.bundle !== BUNDLE_FORMAT)
    return { kind: 'unknown', found: `bundle format ${JSON.stringify(fields.bundle)}` }
  const files = parseSubjects(statement.subject)
  const predicate = parsePredicate(fields)
  if (files === undefined || predicate === undefined) return { kind: 'broken' }
  const manifest = { files, predicate }
  return manifestText(manifest) === text ? { kind: 'manifest', manifest } : { kind: 'broken' }
}

// No step up, no absolute path, nothing hidden: a name that a verifier may open.
const NAME = /^(?!\.)[A-Za-z0-9._-]+(?:\/(?!\.)[A-Za-z0-9._-]+){0,3}$/

function parseSubjects(value: JsonValue | undefined): ReadonlyMap<string, string> | undefined {
  const subjects: readonly JsonValue[] = Array.isArray(value) ? value : []
  const files = new Map<string, string>()
  for (const subject of subjects) {
    const { name, digest } = asObject(subject) ?? {}
    const sha256 = asObject(digest)?.sha256
    if (typeof name !== 'string' || !NAME.test(name) || name === MANIFEST || !isLeaf(sha256)) return undefined
    files.set(name, sha256)
  }
  return files.size > 0 && files.size === subjects.length ? files : undefined
}

function parsePredicate(fields: JsonObject): Predicate | undefined {
  const log = parseLog(asObject(fields.log))
  const query = parseQuery(fields.query)
  const range = parseRange(fields.range)
  const counts = parseCounts(asObject(fields.counts))
  const { version, ocsf, oscal } = asObject(fields.mapping) ?? {}
  const { producer } = fields
  if (log === undefined || query === undefined || range === undefined || counts === undefined) return undefined
  if (typeof producer !== 'string' || !isCount(version) || typeof ocsf !== 'string' || typeof oscal !== 'string')
    return undefined
  return { log, query, range, counts, mapping: { version, ocsf, oscal }, producer }
}

function parseLog(log: JsonObject | null): Predicate['log'] | undefined {
  const { origin, size, root } = log ?? {}
  if (typeof origin !== 'string' || !isCount(size) || typeof root !== 'string') return undefined
  return fromBase64(root)?.length === 32 ? { origin, size, root } : undefined
}

function parseRange(value: JsonValue | undefined): Range | null | undefined {
  if (value === null) return null
  const { first, last } = asObject(value) ?? {}
  return isCount(first) && isCount(last) && first <= last ? { first, last } : undefined
}

function parseCounts(counts: JsonObject | null): Counts | undefined {
  const { records, context, frames, recordings } = counts ?? {}
  const events = asObject(counts?.events)
  if (!isCount(records) || !isCount(context) || !isCount(frames) || !isCount(recordings) || events === null)
    return undefined
  const byEvent: Record<string, number> = {}
  for (const [event, times] of Object.entries(events)) {
    if (!isCount(times)) return undefined
    byEvent[event] = times
  }
  return { records, context, frames, recordings, events: byEvent }
}

function parsed(text: string): JsonValue | undefined {
  try {
    const value: JsonValue = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}
