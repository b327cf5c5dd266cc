import { readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts'
import { parseRecord } from './decision-record.ts'
import { checkpointFile, recordsFile, sequenceFile } from './file-store.ts'
import { decodeLine } from './line.ts'
import { ifGone, LineReader } from './line-reader.ts'
import type { StoredRecord } from './reading.ts'
import { parseSequence, type Run } from './sequence.ts'

/** A record that a checkpoint covers. */
export interface FollowedRecord extends Omit<StoredRecord, 'index' | 'fields' | 'payload'> {
  readonly index: number
}

export interface FollowOptions {
  /** First leaf index to hand out; the ones before are passed over unread. */
  readonly from?: number
  /** Whether to wait for more where the log ends. */
  readonly follow?: boolean
  readonly everyMs?: number
  readonly signal?: AbortSignal
}

/** What was handed out at once, and the checkpoint that covers it. */
export interface FollowedBatch {
  readonly records: readonly FollowedRecord[]
  readonly checkpoint: Checkpoint
}

const BATCH = 500
const EVERY_MS = 500

/**
 * The log as it grows, in its order, across writers: only records under a signed checkpoint, which are on the disk with
 * their place in the order, so that none ever comes back under another index. Reads each byte once, and the next batch only
 * when the last was taken. Throws EvidenceError ERR_EVIDENCE_TAMPERED for what isn't as it was signed, ERR_EVIDENCE_CURSOR when
 * the log doesn't reach to `from`.
 */
export async function* followRecords(directory: string, options: FollowOptions = {}): AsyncGenerator<FollowedBatch> {
  const { from = 0, follow = false, everyMs = EVERY_MS, signal } = options
  const log = new Followed(directory)
  let at = from
  while (!isStopped(signal)) {
    const checkpoint = await readCheckpoint(directory)
    refuseBeyond(directory, at, checkpoint)
    if (at < checkpoint.size) {
      const to = Math.min(checkpoint.size, at + BATCH)
      yield { records: await log.read(at, to), checkpoint }
      at = to
    } else if (follow) await pause(everyMs, signal)
    else return
  }
}

function isStopped(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function refuseBeyond(directory: string, at: number, { size, origin }: Checkpoint): void {
  if (at <= size) return
  const message = `${directory}: expected at least ${at} records of ${origin}; found ${size}: the log went back, or this is another; run countersign evidence verify --since`
  throw new EvidenceError('ERR_EVIDENCE_CURSOR', message)
}

async function readCheckpoint(directory: string): Promise<Checkpoint> {
  const text = await readFile(checkpointFile(directory), 'utf8').catch(ifGone)
  const parsed = text === undefined ? undefined : parseCheckpoint(text)
  if (parsed !== undefined) return parsed
  const found = text === undefined ? 'none' : 'other text'
  const message = `${directory}: expected a signed checkpoint; found ${found}; only what is signed is handed out, so give the gateway a log key (evidence.log.key)`
  throw new EvidenceError('ERR_EVIDENCE_CURSOR', message)
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch {
    // Stopped: whoever asked sees the signal.
  }
}

/** The runs of the log and, for each writer, how far its file was read. */
class Followed {
  readonly #directory: string
  readonly #readers = new Map<string, LineReader>()
  #runs: readonly Run[] = []
  #sequence = ''

  constructor(directory: string) {
    this.#directory = directory
  }

  /** The records of leaves `from` to before `to`, all of which there are. */
  async read(from: number, to: number): Promise<readonly FollowedRecord[]> {
    await this.#readSequence(to)
    const records: FollowedRecord[] = []
    for (const run of this.#runs) {
      if (run.index + run.count <= from) continue
      if (run.index >= to) break
      const first = Math.max(from, run.index)
      const last = Math.min(to, run.index + run.count)
      await this.#readRun(run, first, last, records)
    }
    if (records.length === to - from) return records
    throw this.#unlike(`the order of leaves ${from} to ${to - 1}`, `that of ${records.length}`)
  }

  async #readRun(run: Run, first: number, last: number, records: FollowedRecord[]): Promise<void> {
    const reader = this.#readers.get(run.writer) ?? new LineReader(recordsFile(this.#directory, run.writer))
    this.#readers.set(run.writer, reader)
    const seq = run.seq + first - run.index
    await reader.skipTo(seq)
    for (let index = first; index < last; index += 1) {
      const line = await reader.next()
      if (line === undefined) throw this.#unlike(`record ${reader.line + 1} of ${run.writer}`, 'no such line')
      records.push(this.#record(line, index, `${run.writer}, record ${reader.line}`))
    }
  }

  #record(line: Buffer, index: number, where: string): FollowedRecord {
    const decoded = decodeLine('record', line)
    const record = decoded.kind === 'entry' ? parseRecord(decoded.entry, decoded.payload) : undefined
    if (decoded.kind === 'broken' || record === undefined) throw this.#unlike(`a record (${where})`, 'other bytes')
    return { record, leaf: decoded.leaf, text: line.toString('utf8'), index }
  }

  // Written before any checkpoint that covers it. A start may write it anew, with runs joined: their places stay.
  async #readSequence(to: number): Promise<void> {
    const last = this.#runs.at(-1)
    if (last !== undefined && last.index + last.count >= to) return
    const { size, ino } = await stat(sequenceFile(this.#directory))
    const state = `${size} ${ino}`
    if (state === this.#sequence) return
    this.#runs = parseSequence(await readFile(sequenceFile(this.#directory), 'utf8')).runs
    this.#sequence = state
  }

  #unlike(expected: string, found: string): EvidenceError {
    const message = `${this.#directory}: expected ${expected}, as the checkpoint covers it; found ${found}; run countersign evidence verify`
    return new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
  }
}
