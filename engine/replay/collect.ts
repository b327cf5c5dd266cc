import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, type SignedCheckpoint } from '../evidence/checkpoint.ts'
import { asText } from '../evidence/decision-record.ts'
import { tilesIn } from '../evidence/file-store.ts'
import { inclusionProof } from '../evidence/proof.ts'
import { readFrames, readRecords, type StoredRecord } from '../evidence/reading.ts'
import { nodesIn } from '../evidence/tile.ts'
import { objectOf, textOf } from './json.ts'
import type { ProvenLine, SessionEvidence } from './session-evidence.ts'

/** Bytes of lines in one session's evidence: what a browser, or this process, should hold at once. */
export const MAX_SESSION_BYTES: number = 64 * 1024 * 1024

/** A running gateway signs anew each second and clears away what the last checkpoint's proofs were read from. */
const ATTEMPTS = 5

/**
 * Gathers the evidence of one session out of a directory, live or a copy: its records and frames, the policies that it was
 * decided under, who has looked at it since, what was erased of it, and the proof of each record. Null when no record is
 * of this session. Throws EvidenceError: ERR_EVIDENCE_TAMPERED where the files can't be read as a log,
 * ERR_EVIDENCE_TOO_LARGE for a session of more than MAX_SESSION_BYTES.
 */
export async function collectSession(directory: string, session: string): Promise<SessionEvidence | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await collectOnce(directory, session)
    } catch (error) {
      const raced =
        error instanceof EvidenceError && error.code === 'ERR_EVIDENCE_TAMPERED' && (await hasMoved(directory))
      if (!raced || attempt === ATTEMPTS) throw error
    }
  }
}

async function hasMoved(directory: string): Promise<boolean> {
  const before = await checkpointText(directory)
  await new Promise((resolve) => setTimeout(resolve, 300))
  return (await checkpointText(directory)) !== before
}

async function collectOnce(directory: string, session: string): Promise<SessionEvidence | null> {
  const text = await checkpointText(directory)
  const found = new Found(session)
  for await (const record of readRecords(directory, { mark: `"${session}"` })) found.own(record)
  if (found.writers.size === 0) return null
  const frames: string[] = []
  for (const writer of found.writers) {
    for await (const frame of readFrames(directory, writer)) {
      if (frame.frame.session === session) frames.push(found.counted(frame.text))
    }
  }
  for await (const record of readRecords(directory, { mark: '"policy.' })) found.policy(record)
  for await (const record of readRecords(directory, { mark: '"retention.applied"' })) found.retention(record)
  const checkpoint = text === null ? undefined : parseCheckpoint(text)
  const records: ProvenLine[] = []
  for (const record of found.inOrder()) records.push(await proven(directory, record, checkpoint))
  return { format: 1, session, records, frames, checkpoint: text }
}

/** The records that belong to one session's evidence. */
class Found {
  /** Writers of the session's own records: normally one. */
  readonly writers = new Set<string>()
  readonly #session: string
  readonly #records = new Map<string, StoredRecord>()
  readonly #policies = new Map<string, StoredRecord>()
  readonly #digests = new Set<unknown>()
  readonly #erased = new Set<string>()
  #bytes = 0

  constructor(session: string) {
    this.#session = session
  }

  /** A record that names the session anywhere: its own, or of somebody who looked at it. */
  own(stored: StoredRecord): void {
    const { record, fields, payload } = stored
    if (record.session === this.#session) {
      this.writers.add(record.writerId)
      this.#digests.add(objectOf(fields['policy'])['digest'])
      if (payload === null) this.#erased.add(stored.leaf).add(record.id)
    } else if (!VIEWINGS.has(record.event) || asText(record.detail?.['session']) !== this.#session) return
    this.#keep(stored)
  }

  /** Counts a frame, and answers it. */
  counted(text: string): string {
    this.#count(text)
    return text
  }

  policy(stored: StoredRecord): void {
    if (stored.record.event.startsWith('policy.')) {
      const digest = textOf(objectOf(stored.fields['policy'])['digest'])
      if (digest !== null && this.#digests.has(digest)) this.#policies.set(digest, stored) // the last activation is the one in force
    }
  }

  retention(stored: StoredRecord): void {
    if (stored.record.event === 'retention.applied' && stored.text.includes(this.#session)) this.#keep(stored)
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

const VIEWINGS: ReadonlySet<string> = new Set(['replay.viewed', 'evidence.exported'])

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

async function checkpointText(directory: string): Promise<string | null> {
  try {
    return await readFile(join(directory, 'log', 'checkpoint'), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
