import type { EvidenceRecord } from '../decision-record.ts'
import { readRecords, type Evidence, type StoredRecord } from '../reading.ts'
import type { Range } from './manifest.ts'
import { isFiltered, isWithin, type Query } from './query.ts'

/** Where in the log a query looks, and which records before it are needed to judge what it finds. */
export interface Scope {
  readonly range: Range | null
  readonly grants: ReadonlySet<number>
}

/** The records under a checkpoint, in the log's order, each with its index. Ends early where the log does. */
export async function* recordsUnder(
  evidence: Evidence,
  size: number,
): AsyncGenerator<StoredRecord & { readonly index: number }> {
  for await (const stored of readRecords(evidence)) {
    const { index } = stored
    if (index === null || index >= size) return
    yield { ...stored, index }
  }
}

/**
 * The shortest stretch of the log that holds every record within the query's times; records between them that some other
 * writer's clock dated outside are in it too. And the approvals that were granted before it and not used yet.
 */
export async function findScope(evidence: Evidence, size: number, query: Query): Promise<Scope> {
  if (query.from === null && query.to === null) {
    return { range: size === 0 ? null : { first: 0, last: size - 1 }, grants: new Set() }
  }
  const waiting = new Map<string, number>()
  let [first, last] = [-1, -1]
  for await (const { record, index } of recordsUnder(evidence, size)) {
    if (isWithin(query, record.ts)) [first, last] = [first < 0 ? index : first, index]
    if (first < 0) follow(waiting, record, index)
  }
  if (first < 0) return { range: null, grants: new Set() }
  return { range: { first, last }, grants: new Set(isFiltered(query) ? [] : waiting.values()) }
}

function follow(waiting: Map<string, number>, { event, approval }: EvidenceRecord, index: number): void {
  const id = approval?.id
  if (typeof id !== 'string') return
  if (event === 'approval.granted') waiting.set(id, index)
  if (event === 'approval.expired' || approval?.state === 'used') waiting.delete(id)
}

/** Events that judge others wherever they stand: which key signs, which policy was in force, what was erased and why. */
const ALWAYS: ReadonlySet<string> = new Set([
  'key.rotated',
  'key.compromised',
  'policy.activated',
  'policy.rolled_back',
  'policy.emergency_activated',
  'retention.applied',
])

/** Whether a record that the query doesn't ask for goes along as context. */
export function isContext({ range, grants }: Scope, { event }: EvidenceRecord, index: number): boolean {
  if (ALWAYS.has(event) || grants.has(index)) return true
  return range !== null && (index === range.first - 1 || index === range.last + 1)
}

export function isInRange({ range }: Scope, index: number): boolean {
  return range !== null && index >= range.first && index <= range.last
}
