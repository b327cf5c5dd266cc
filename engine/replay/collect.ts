import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, type SignedCheckpoint } from '../evidence/checkpoint.ts'
import { inclusionProof } from '../evidence/proof.ts'
import {
  frameOf,
  readFrames,
  readRecords,
  recordOf,
  sourceOf,
  type Evidence,
  type StoredFrame,
  type StoredRecord,
} from '../evidence/reading.ts'
import type { EvidenceSource, LinePlace } from '../evidence/source.ts'
import { nodesOf } from '../evidence/tile.ts'
import type { Entry } from './entry.ts'
import { erases } from './erasure.ts'
import { objectOf, textOf } from './json.ts'
import type { ProvenLine, SessionEvidence } from './session-evidence.ts'
import { views } from './viewing.ts'

/** Bytes of lines in one session's evidence: what a browser, or this process, should hold at once. */
export const MAX_SESSION_BYTES: number = 64 * 1024 * 1024

/** What stands beside a session: one more look through the log, however many these are. */
const ABOUT: readonly string[] = [
  'policy.',
  'approval.',
  'key.',
  'retention.applied',
  'replay.viewed',
  'evidence.exported',
].map((event) => `"event":"${event}`)

/** A running gateway signs anew each second and clears away what the last checkpoint's proofs were read from. */
const ATTEMPTS = 10

/** Where a session's evidence is: what engine/overview tells of it. */
export interface SessionPlaces {
  readonly records: readonly { readonly writer: string; readonly places: readonly LinePlace[] }[]
  readonly frames: readonly { readonly writer: string; readonly from: LinePlace; readonly last: number }[]
}

/**
 * Gathers the evidence of one session out of all there is, live or a copy: its records and frames, the policies that it was
 * decided under, who has looked at it since, what was erased of it, and the proof of each record. Null when no record is
 * of this session. Throws EvidenceError: ERR_EVIDENCE_TAMPERED where the files can't be read as a log,
 * ERR_EVIDENCE_TOO_LARGE for a session of more than MAX_SESSION_BYTES.
 */
export function collectSession(evidence: Evidence, session: string): Promise<SessionEvidence | null> {
  const source = sourceOf(evidence)
  return inOneState(source, async () => {
    const found = new Found(session)
    for await (const record of readRecords(source, { mark: `"${session}"` })) found.own(record)
    for (const writer of found.writers) {
      for await (const frame of readFrames(source, writer)) if (frame.frame.session === session) found.frame(frame)
    }
    if (found.writers.size > 0) for await (const record of readRecords(source, { mark: ABOUT })) found.about(record)
    return found
  })
}

/** As collectSession, and reads nothing but what is at these places. */
export function collectPlaced(
  source: EvidenceSource,
  session: string,
  places: SessionPlaces,
): Promise<SessionEvidence | null> {
  return inOneState(source, async () => {
    const found = new Found(session)
    const records = await recordsAt(source, places)
    for (const record of records) found.own(record)
    for (const stretch of places.frames) {
      for await (const frame of framesIn(source, stretch, session)) found.frame(frame)
    }
    for (const record of records) if (record.record.session !== session) found.about(record)
    return found
  })
}

async function inOneState(source: EvidenceSource, collect: () => Promise<Found>): Promise<SessionEvidence | null> {
  for (let attempt = 1; ; attempt += 1) {
    const signed = (await source.document('checkpoint')) ?? null
    try {
      const witnessed = (await source.document('witnessed')) ?? null
      const found = await collect()
      return found.writers.size === 0 ? null : await proven(source, found, coveringNote(signed, witnessed))
    } catch (error) {
      const isOff = error instanceof EvidenceError && error.code === 'ERR_EVIDENCE_TAMPERED'
      // Tiles are cleared away behind the next checkpoint: while that is the one begun with, they have to be there.
      const raced = isOff && ((await source.document('checkpoint')) ?? null) !== signed
      if (!raced || attempt === ATTEMPTS) throw error
    }
  }
}

async function proven(source: EvidenceSource, found: Found, checkpoint: string | null): Promise<SessionEvidence> {
  const parsed = checkpoint === null ? undefined : parseCheckpoint(checkpoint)
  const records: ProvenLine[] = []
  for (const record of found.inOrder()) records.push(await provenLine(source, record, parsed))
  return { format: 1, session: found.session, records, frames: found.frames, checkpoint }
}

/** In the log's order, those that no run has behind all others. */
async function recordsAt(source: EvidenceSource, { records }: SessionPlaces): Promise<readonly StoredRecord[]> {
  const all: StoredRecord[] = []
  for (const { writer, places } of records) {
    const leaves = await source.leavesOf(
      writer,
      places.map(({ seq }) => seq + 1),
    )
    for await (const { line, after } of source.linesAt('record', writer, places)) {
      const stored = recordOf(line, `${source.place}: record ${after.seq} of ${writer}`)
      all.push({ ...stored, index: leaves.get(after.seq) ?? null })
    }
  }
  return all.toSorted(byLeaf)
}

async function* framesIn(
  source: EvidenceSource,
  { writer, from, last }: SessionPlaces['frames'][number],
  session: string,
): AsyncGenerator<StoredFrame> {
  for (let place = from; place.seq < last;) {
    const lines = await source.linesAfter('frame', writer, place)
    for (const { line, after } of lines) {
      if (after.seq > last) return
      place = after
      if (!line.includes(session)) continue
      const frame = frameOf(line, `${source.place}: frame ${after.seq} of ${writer}`)
      if (frame.frame.session === session) yield frame
    }
    if (lines.length === 0) return
  }
}

/** The note that witnesses signed, where it is the checkpoint itself with their lines behind it; else the checkpoint. */
function coveringNote(signed: string | null, witnessed: string | null): string | null {
  return signed !== null && witnessed?.startsWith(signed) === true ? witnessed : signed
}

/** The lines that belong to one session's evidence. */
class Found {
  /** Writers of the session's own records: normally one. */
  readonly writers = new Set<string>()
  readonly frames: string[] = []
  readonly session: string
  readonly #records = new Map<string, StoredRecord>()
  readonly #policies = new Map<string, StoredRecord>()
  readonly #digests = new Set<string | null>()
  /** Approvals that its statements asked for or used; one may have been asked for in another session of the same agent. */
  readonly #approvals = new Set<string | null>()
  readonly #erased: Pick<Entry, 'kind' | 'fields'>[] = []
  #agent: string | null = null
  #from = Infinity
  #to = -Infinity
  #bytes = 0

  constructor(session: string) {
    this.session = session
  }

  /** A record that names the session somewhere; taken when it is the session's own. */
  own(stored: StoredRecord): void {
    const { record, fields, payload } = stored
    if (record.session !== this.session) return
    this.writers.add(record.writerId)
    this.#digests.add(policyOf(stored))
    this.#approvals.add(textOf(objectOf(fields['approval'])['id']))
    if (record.event === 'session.opened') this.#agent = textOf(objectOf(fields['principal'])['id'])
    this.#from = Math.min(this.#from, Date.parse(record.ts))
    this.#to = Math.max(this.#to, Date.parse(record.ts))
    if (payload === null) this.#erased.push({ kind: 'record', fields })
    this.#keep(stored)
  }

  frame({ fields, payload, text }: StoredFrame): void {
    if (payload === null) this.#erased.push({ kind: 'frame', fields })
    this.#count(text)
    this.frames.push(text)
  }

  /** A record beside the session: a policy that it was decided under, a key of the log, an erasure, somebody who looked. */
  about(stored: StoredRecord): void {
    const { event } = stored.record
    const policy = policyOf(stored)
    const isBefore = Date.parse(stored.record.ts) <= this.#to // activated again later, it was in force since then as well
    if (event.startsWith('policy.') && policy !== null && isBefore && this.#digests.has(policy)) {
      this.#policies.set(policy, stored)
    }
    const viewed = { session: this.session, agent: this.#agent, from: this.#from, to: this.#to }
    const erased = this.#erased.some((entry) => erases(stored, entry))
    const approval = textOf(objectOf(stored.fields['approval'])['id'])
    const answered = event.startsWith('approval.') && approval !== null && this.#approvals.has(approval)
    if (answered || erased || views(stored, viewed) || event === 'key.rotated' || event === 'key.compromised')
      this.#keep(stored)
  }

  inOrder(): readonly StoredRecord[] {
    const all = [...this.#policies.values(), ...this.#records.values()]
    return all.toSorted(byLeaf)
  }

  #keep(stored: StoredRecord): void {
    if (this.#records.has(stored.record.id)) return
    this.#count(stored.text)
    this.#records.set(stored.record.id, stored)
  }

  #count(text: string): void {
    this.#bytes += text.length
    if (this.#bytes <= MAX_SESSION_BYTES) return
    const message = `session ${this.session}: expected at most ${MAX_SESSION_BYTES} bytes of evidence; found more`
    throw new EvidenceError(
      'ERR_EVIDENCE_TOO_LARGE',
      `${message}; take it out with countersign evidence export --session`,
    )
  }
}

function policyOf({ fields }: StoredRecord): string | null {
  return textOf(objectOf(fields['policy'])['digest'])
}

async function provenLine(
  source: EvidenceSource,
  { text, index }: StoredRecord,
  checkpoint: SignedCheckpoint | undefined,
): Promise<ProvenLine> {
  if (index === null || checkpoint === undefined || index >= checkpoint.size)
    return { line: text, index: null, proof: [] }
  const { size } = checkpoint
  const path = await inclusionProof(index, size, nodesOf(source.tile, source.place, size))
  return { line: text, index, proof: path.map((hash) => hash.toString('base64')) }
}

function byLeaf(one: StoredRecord, other: StoredRecord): number {
  return (one.index ?? Infinity) - (other.index ?? Infinity) || 0 // two that no run has: as they were read
}
