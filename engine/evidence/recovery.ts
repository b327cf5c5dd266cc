import type { JsonObject } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import {
  asObject,
  asText,
  awaitsOutcome,
  isOutcome,
  parseRecord,
  type EvidenceRecord,
  type RecordDraft,
} from './decision-record.ts'
import type { Finding } from './finding.ts'
import { decodeLine } from './line.ts'
import type { Tail } from './lines.ts'
import { closesItself, scanFrames, scanRecords, type FramesScan, type RecordsScan } from './scan.ts'
import type { EvidenceStore } from './store.ts'
import { byAge, type WriterName } from './writers.ts'

/** An intent that was durable when its writer died, and of which nobody knows whether it took effect. Never re-sent. */
export interface InDoubt {
  readonly decision: string
  /** Id of the intent record. */
  readonly record: string
  readonly writer: string
  readonly session: string | null
  readonly principal: string | null
  readonly action: string | null
  readonly ts: string
}

/** Where a writer's chain ended. The next writer's first record names it, so that no file can be dropped between two. */
export interface ChainEnd {
  readonly writer_id: string
  readonly last_seq: number
  readonly head: string
}

export interface DeadWriter {
  readonly records: RecordsScan
  readonly frames: FramesScan
  readonly inDoubt: readonly InDoubt[]
}

export interface Predecessors {
  readonly newest: WriterName | undefined
  readonly end: ChainEnd | null
  /** Writers that died, oldest first. */
  readonly dead: readonly DeadWriter[]
}

/**
 * Looks for writers of this instance that never closed, from the newest back to the first that did: a writer closes the
 * dead ones before it, the newest of them last, before it takes a record of its own. Reads only; a crash in the recovery
 * itself leaves one dead writer more. Throws ERR_EVIDENCE_TAMPERED where a file shows more than a crash can do.
 */
export async function findPredecessors(store: EvidenceStore, instance: string): Promise<Predecessors> {
  const all = await store.writers()
  const writers = all.filter((writer) => writer.instance === instance).toSorted(byAge)
  const traces: Traces = { open: new Map(), settled: new Set(), closed: new Set() }
  const dead: RecordsScan[] = []
  let end: ChainEnd | null = null
  for (const writer of writers.toReversed()) {
    if (traces.closed.has(writer.id)) break
    const closing = await closingOf(store, writer)
    if (closing !== undefined) {
      end ??= closing
      break
    }
    const scan = await scanDead(store, writer.id, traces)
    end ??= { writer_id: writer.id, last_seq: scan.lastSeq, head: scan.head }
    dead.unshift(scan)
  }
  const examined: DeadWriter[] = []
  for (const records of dead) examined.push(await examine(store, records, traces))
  return { newest: writers.at(-1), end, dead: examined }
}

/** Where a writer closed itself; undefined when it did not. */
export async function closingOf(store: EvidenceStore, writer: WriterName): Promise<ChainEnd | undefined> {
  const last = await store.lastRecord(writer.id)
  const line = last === undefined ? undefined : decodeLine('record', last)
  if (line?.kind !== 'entry') return undefined
  const record = parseRecord(line.entry, line.payload)
  if (record?.writerId !== writer.id || !closesItself(record)) return undefined
  return { writer_id: writer.id, last_seq: record.seq, head: line.leaf }
}

/** What the dead writers' records tell, gathered from the newest writer back. */
interface Traces {
  /** By decision; those whose outcome was seen are taken out. */
  readonly open: Map<string, InDoubt>
  /** Decisions whose outcome stands in a later writer than their intent. */
  readonly settled: Set<string>
  /** Writers that a later one has closed already. */
  readonly closed: Set<string>
}

async function scanDead(store: EvidenceStore, writerId: string, traces: Traces): Promise<RecordsScan> {
  const source = {
    content: store.content('record', writerId),
    file: `records/${writerId}.ndjson`,
    writerId,
    report: refuse,
  }
  const scan = await scanRecords(source, (record) => trace(record, traces))
  refuseTail(scan.file, scan.tail)
  return scan
}

function trace(record: EvidenceRecord, { open, settled, closed }: Traces): void {
  const closedWriter = record.event === 'writer.closed' ? asText(record.detail?.writer_id) : null
  if (closedWriter !== null) closed.add(closedWriter)
  if (record.decision === null) return
  if (isOutcome(record.event) && !open.delete(record.decision)) settled.add(record.decision)
  if (awaitsOutcome(record) && !settled.has(record.decision)) {
    open.set(record.decision, inDoubt(record, record.decision))
  }
}

async function examine(store: EvidenceStore, records: RecordsScan, { open }: Traces): Promise<DeadWriter> {
  const { writerId } = records
  const file = `recordings/${writerId}.ndjson`
  const content = store.content('frame', writerId)
  const frames = await scanFrames({ content, file, writerId, report: refuse }, () => {})
  refuseTail(frames.file, frames.tail)
  const inDoubt = [...open.values()].filter((intent) => intent.writer === writerId)
  return { records, frames, inDoubt }
}

/** What an intent without an outcome looks like to those who must find out what became of it. */
export function inDoubt(record: EvidenceRecord, decision: string): InDoubt {
  const { principal, action } = record.fields
  return {
    decision,
    record: record.id,
    writer: record.writerId,
    session: record.session,
    principal: asText(asObject(principal)?.id),
    action: asText(asObject(action)?.name),
    ts: record.ts,
  }
}

/** The records with which a new writer closes a dead one: what was found, what is in doubt, the end. */
export function* closingDrafts({ records, frames, inDoubt }: DeadWriter): Generator<RecordDraft> {
  const { writerId, lastSeq, head, bytes, tail } = records
  const recording = { ...frames.total, bytes: frames.bytes, torn: torn(frames.tail) }
  yield {
    event: 'writer.recovered',
    detail: { writer_id: writerId, last_seq: lastSeq, head, bytes, torn: torn(tail), recording },
  }
  for (const intent of inDoubt) yield unknownOutcome(intent, 'crash')
  yield { event: 'writer.closed', detail: { writer_id: writerId, last_seq: lastSeq, how: 'crash' } }
}

/** `reason`: `crash` of the writer, or its `shutdown` before the caller had settled. */
export function unknownOutcome(intent: InDoubt, reason: 'crash' | 'shutdown'): RecordDraft {
  const { decision, session, record } = intent
  const draft = { event: 'outcome.unknown', decision, detail: { intent: record, reason } } as const
  return session === null ? draft : { ...draft, session }
}

/** Bytes of a batch that a crash left unfinished. They stay where they are; their digest keeps them from being replaced. */
function torn(tail: Tail | null): JsonObject | null {
  return tail === null ? null : { bytes: tail.bytes, sha256: tail.sha256 }
}

// A crash leaves half a line, or a stretch of zeros where the file grew before its pages were written: nothing else.
function refuseTail(file: string, tail: Tail | null): void {
  if (tail?.kind !== 'oversized') return
  const found = `${tail.bytes} bytes without one`
  refuse({ severity: 'tampered', file, line: tail.line, message: 'not a line', expected: 'a newline', found })
}

function refuse({ file, line, message, expected, found }: Finding): never {
  throw new EvidenceError(
    'ERR_EVIDENCE_TAMPERED',
    `${file}:${line}: ${message}: expected ${expected}, found ${found}; run "countersign evidence verify", keep the directory as it is, and start with an empty one`,
    { fatal: true },
  )
}
