import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, type SignedCheckpoint } from '../evidence/checkpoint.ts'
import { tilesIn } from '../evidence/file-store.ts'
import { inclusionProof } from '../evidence/proof.ts'
import { readFrames, readRecords, type StoredFrame, type StoredRecord } from '../evidence/reading.ts'
import { nodesIn } from '../evidence/tile.ts'
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

/**
 * Gathers the evidence of one session out of a directory, live or a copy: its records and frames, the policies that it was
 * decided under, who has looked at it since, what was erased of it, and the proof of each record. Null when no record is
 * of this session. Throws EvidenceError: ERR_EVIDENCE_TAMPERED where the files can't be read as a log,
 * ERR_EVIDENCE_TOO_LARGE for a session of more than MAX_SESSION_BYTES.
 */
export async function collectSession(directory: string, session: string): Promise<SessionEvidence | null> {
  for (let attempt = 1; ; attempt += 1) {
    const signed = await logText(directory, 'checkpoint')
    try {
      return await collectUnder(signed, directory, session)
    } catch (error) {
      const isOff = error instanceof EvidenceError && error.code === 'ERR_EVIDENCE_TAMPERED'
      // Tiles are cleared away behind the next checkpoint: while that is the one begun with, they have to be there.
      const raced = isOff && (await logText(directory, 'checkpoint')) !== signed
      if (!raced || attempt === ATTEMPTS) throw error
    }
  }
}

async function collectUnder(
  signed: string | null,
  directory: string,
  session: string,
): Promise<SessionEvidence | null> {
  const witnessed = await logText(directory, 'witnessed')
  const found = new Found(session)
  for await (const record of readRecords(directory, { mark: `"${session}"` })) found.own(record)
  if (found.writers.size === 0) return null
  for (const writer of found.writers) {
    for await (const frame of readFrames(directory, writer)) if (frame.frame.session === session) found.frame(frame)
  }
  for await (const record of readRecords(directory, { mark: ABOUT })) found.about(record)
  const checkpoint = coveringNote(signed, witnessed)
  const parsed = checkpoint === null ? undefined : parseCheckpoint(checkpoint)
  const records: ProvenLine[] = []
  for (const record of found.inOrder()) records.push(await proven(directory, record, parsed))
  return { format: 1, session, records, frames: found.frames, checkpoint }
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
  readonly #session: string
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
    this.#session = session
  }

  /** A record that names the session somewhere; taken when it is the session's own. */
  own(stored: StoredRecord): void {
    const { record, fields, payload } = stored
    if (record.session !== this.#session) return
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
    const viewed = { session: this.#session, agent: this.#agent, from: this.#from, to: this.#to }
    const erased = this.#erased.some((entry) => erases(stored, entry))
    const approval = textOf(objectOf(stored.fields['approval'])['id'])
    const answered = event.startsWith('approval.') && approval !== null && this.#approvals.has(approval)
    if (answered || erased || views(stored, viewed) || event === 'key.rotated' || event === 'key.compromised')
      this.#keep(stored)
  }

  inOrder(): readonly StoredRecord[] {
    const all = [...this.#policies.values(), ...this.#records.values()]
    return all.toSorted((one, other) => (one.index ?? Infinity) - (other.index ?? Infinity))
  }

  #keep(stored: StoredRecord): void {
    if (this.#records.has(stored.record.id)) return
    this.#count(stored.text)
    this.#records.set(stored.record.id, stored)
  }

  #count(text: string): void {
    this.#bytes += text.length
    if (this.#bytes <= MAX_SESSION_BYTES) return
    const message = `session ${this.#session}: expected at most ${MAX_SESSION_BYTES} bytes of evidence; found more`
    throw new EvidenceError(
      'ERR_EVIDENCE_TOO_LARGE',
      `${message}; take it out with countersign evidence export --session`,
    )
  }
}

function policyOf({ fields }: StoredRecord): string | null {
  return textOf(objectOf(fields['policy'])['digest'])
}

async function proven(
  directory: string,
  { text, index }: StoredRecord,
  checkpoint: SignedCheckpoint | undefined,
): Promise<ProvenLine> {
  if (index === null || checkpoint === undefined || index >= checkpoint.size)
    return { line: text, index: null, proof: [] }
  const { size } = checkpoint
  const path = await inclusionProof(index, size, nodesIn(tilesIn(directory), size))
  return { line: text, index, proof: path.map((hash) => hash.toString('base64')) }
}

async function logText(directory: string, name: 'checkpoint' | 'witnessed'): Promise<string | null> {
  try {
    return await readFile(join(directory, 'log', name), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
