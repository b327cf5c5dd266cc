import { EvidenceError } from '../errors.ts'
import type { Checkpoints, SignedStanding } from './checkpoints.ts'
import {
  FORMAT,
  isIntent,
  isOutcome,
  recordText,
  type Citation,
  type Cite,
  type RecordDraft,
  type Stamp,
} from './decision-record.ts'
import type { GroupCommit } from './group-commit.ts'
import { encodeText } from './line.ts'
import { NO_LEAF } from './merkle.ts'
import { saltPayload, type Salts } from './payload.ts'
import { Recordings, type RecordingFrame } from './recording.ts'
import { closingDrafts, unknownOutcome, type InDoubt, type Predecessors } from './recovery.ts'
import type { InstanceHold } from './store.ts'

/** Records of an end (a writer's own or a dead one's) that are on their way at once. */
const CLOSING_BATCH = 1000
const NONE_NAMED: readonly string[] = []

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Nanoseconds of a clock that never goes back. */
  monotonic(): bigint
}

export interface Appended {
  /** A record: `<writer>:<seq>`. A frame: `<writer>:<session>:<i>`. Empty when the entry was refused. */
  readonly id: string
  /**
   * Resolves when the entry, and all before it, are on disk. Rejects with EvidenceError: ERR_EVIDENCE_RECORD (this entry
   * only), ERR_EVIDENCE_WRITE (retryable: too far behind; fatal: the log has stopped), ERR_EVIDENCE_CLOSED. A caller that
   * doesn't look gets no unhandled rejection; one that lets anything happen must look.
   */
  readonly durable: Promise<void>
}

export interface LogStanding {
  /** Records of this writer. */
  readonly records: number
  /** Bytes that are not durable yet. */
  readonly waitingBytes: number
  /** Code of what stopped it: nothing is let through any more. Null while it writes. */
  readonly failure: string | null
  /** Null: no key signs this log. */
  readonly signed: SignedStanding | null
}

/** One writer of an evidence directory. Life: openEvidenceLog → append… → close. */
export interface EvidenceLog {
  /** `<instance>.<boot>`: names this writer's two files. */
  readonly writerId: string
  /** Intents of dead writers whose outcome nobody knows; each has got its outcome.unknown by now. */
  readonly inDoubt: readonly InDoubt[]
  append(draft: RecordDraft): Appended
  /** A body that makes the frame larger than an entry may be is recorded by its digest, with `truncated: true`. */
  appendFrame(session: string, frame: RecordingFrame): Appended
  /** For who watches over it. */
  standing(): LogStanding
  /** Leaf hash of the session's last frame so far, durable or not; 64 zeros before the first and after session.closed. */
  recordingDigest(session: string): string
  /**
   * Gives every intent without an outcome an outcome.unknown, writes `writer.closed` and lets go of the directory, which it
   * does even when it rejects (the log had stopped, or stops now). A second call answers like the first.
   */
  close(): Promise<void>
}

export interface WriterParts {
  readonly writerId: string
  readonly clock: Clock
  readonly commit: GroupCommit
  /** Let go of when the log is closed. */
  readonly hold: InstanceHold
  readonly before: Predecessors
  readonly salts: Salts
  /** Signs what this writer records; null where no key is configured. Closed with the writer. */
  readonly checkpoints: Checkpoints | null
  readonly cite: Cite | null
}

/** Stamps, chains and hands over. Everything up to the batch happens in the caller's turn, so order of calls is order. */
export class WriterLog implements EvidenceLog {
  readonly writerId: string
  readonly inDoubt: readonly InDoubt[]
  readonly #parts: WriterParts
  readonly #recordings: Recordings
  /** Intents of this writer that have no outcome yet: as many as there are requests under way. */
  readonly #open = new Map<string, InDoubt>()
  readonly #ids: string
  #seq = 0
  #head = NO_LEAF
  #ms = 0
  #timestamp = ''
  #closing: Promise<void> | null = null

  constructor(parts: WriterParts) {
    this.writerId = parts.writerId
    this.#ids = `${parts.writerId}:`
    this.inDoubt = parts.before.dead.flatMap(({ inDoubt }) => inDoubt)
    this.#parts = parts
    this.#recordings = new Recordings(parts.writerId, parts.salts)
  }

  /** The first records: who came before, and the end of those that died. Stops writing when that can't be written. */
  async begin({ end, dead }: Predecessors, by?: string): Promise<void> {
    const { commit } = this.#parts
    try {
      const previous = end === null ? null : { ...end }
      const detail = { format: FORMAT, previous, ...(by === undefined ? {} : { by }) }
      await this.#append({ event: 'writer.opened', detail }).durable
      for (const writer of dead) await this.#appendAll(closingDrafts(writer))
      await this.#parts.checkpoints?.start({ writer: this.writerId, note: (draft) => this.append(draft) })
    } catch (error) {
      await commit.stop()
      throw error
    }
  }

  append(draft: RecordDraft): Appended {
    return this.#closing === null ? this.#append(draft) : refused(closedError(this.writerId))
  }

  appendFrame(session: string, frame: RecordingFrame): Appended {
    if (this.#closing !== null) return refused(closedError(this.writerId))
    const { commit, clock } = this.#parts
    try {
      commit.assertWritable()
      const ns = clock.monotonic()
      const { text, leaf } = this.#recordings.encode(session, frame, { ts: this.#time(), ns })
      const { batch, durable } = commit.add('frame', text)
      this.#recordings.added(session, leaf, batch, ns)
      return { id: `${this.writerId}:${session}:${this.#recordings.frames(session)}`, durable }
    } catch (error) {
      return refused(error)
    }
  }

  standing(): LogStanding {
    const { commit, checkpoints } = this.#parts
    const { waitingBytes, failure } = commit
    return {
      records: this.#seq,
      waitingBytes,
      failure: failure?.code ?? null,
      signed: checkpoints?.standing() ?? null,
    }
  }

  recordingDigest(session: string): string {
    return this.#recordings.head(session)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { commit, hold, checkpoints } = this.#parts
    try {
      await commit.idle()
      await this.#appendAll([...this.#open.values()].map((intent) => unknownOutcome(intent, 'shutdown')))
      await this.#append(this.#closed()).durable
    } finally {
      await commit.stop()
      try {
        await checkpoints?.close({ writer: this.writerId, seq: this.#seq })
      } finally {
        await hold.release()
      }
    }
  }

  #closed(): RecordDraft {
    const recording = { ...this.#recordings.total() }
    return {
      event: 'writer.closed',
      detail: { writer_id: this.writerId, last_seq: this.#seq + 1, how: 'clean', recording },
    }
  }

  // Waits now and then: what a thousand agents left open at once must not look like a disk that is too far behind.
  async #appendAll(drafts: Iterable<RecordDraft>): Promise<void> {
    let batch: Promise<void>[] = []
    for (const draft of drafts) {
      batch.push(this.#append(draft).durable)
      if (batch.length < CLOSING_BATCH) continue
      await Promise.all(batch)
      batch = []
    }
    await Promise.all(batch)
  }

  #append(draft: RecordDraft): Appended {
    const { commit } = this.#parts
    try {
      commit.assertWritable()
      const stamp = this.#stamp(draft)
      const { payload } = draft
      const salted = payload === undefined ? undefined : saltPayload(payload, this.#parts.salts.next())
      const { text, leaf } = encodeText('record', recordText(draft, this.#cited(draft), stamp, salted?.digest), salted)
      const { durable } = commit.add('record', text)
      this.#seq = stamp.seq
      this.#head = leaf
      this.#follow(draft, stamp)
      return { id: stamp.id, durable }
    } catch (error) {
      return refused(error)
    }
  }

  // Here and nowhere else, so that what the log says of itself cites its controls too.
  #cited({ event, controls }: RecordDraft): Citation | undefined {
    return this.#parts.cite?.(event, controls ?? NONE_NAMED)
  }

  #stamp({ session }: RecordDraft): Stamp {
    const { clock, commit } = this.#parts
    const seq = this.#seq + 1
    const stamp = {
      id: this.#ids + seq,
      writer_id: this.writerId,
      seq,
      prev: this.#head,
      ts: this.#time(),
      mono_ns: String(clock.monotonic()),
    }
    const recording = session === undefined ? undefined : this.#recordings.unnamed(session, commit.durableBatch)
    return recording === undefined ? stamp : { ...stamp, recording }
  }

  // Many entries share a millisecond.
  #time(): string {
    const ms = this.#parts.clock.now()
    if (ms !== this.#ms) this.#timestamp = new Date(ms).toISOString()
    this.#ms = ms
    return this.#timestamp
  }

  #follow({ event, session, decision, principal, action, outcome }: RecordDraft, { id, ts, recording }: Stamp): void {
    if (session !== undefined && recording !== undefined) this.#recordings.named(session, recording)
    if (session !== undefined && event === 'session.closed') this.#recordings.end(session)
    if (decision === undefined) return
    if (isOutcome(event)) this.#open.delete(decision)
    if (isIntent(event) && outcome === undefined) {
      const who = principal?.id ?? null
      const what = action?.name ?? null
      const writer = this.writerId
      this.#open.set(decision, {
        decision,
        record: id,
        writer,
        session: session ?? null,
        principal: who,
        action: what,
        ts,
      })
    }
  }
}

function closedError(writerId: string): EvidenceError {
  return new EvidenceError(
    'ERR_EVIDENCE_CLOSED',
    `the evidence log of writer ${writerId} is closed: nothing more is recorded`,
  )
}

function refused(reason: unknown): Appended {
  if (!(reason instanceof EvidenceError)) throw reason
  const { promise, reject } = Promise.withResolvers<void>()
  promise.catch(() => {})
  reject(reason)
  return { id: '', durable: promise }
}
