import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { isIntent, isOutcome, type RecordDraft, type Stamp } from './decision-record.ts'
import {
  localFiles,
  locksIn,
  recordingFile,
  recordingsIn,
  recordsFile,
  recordsIn,
  type FileSystem,
} from './file-store.ts'
import { GroupCommit, type NamedFile } from './group-commit.ts'
import { encodeLine, type EntryKind } from './line.ts'
import { lockInstance, type InstanceLock } from './lock.ts'
import { NO_LEAF } from './merkle.ts'
import { Recordings, type RecordingFrame } from './recording.ts'
import { closingDrafts, findPredecessors, unknownOutcome, type InDoubt, type Predecessors } from './recovery.ts'
import { isInstanceName, nextBoot } from './writers.ts'

export interface EvidenceOptions {
  /** Made (mode 0700) when it isn't there. */
  readonly directory: string
  /** Letters, digits, `_` and `-`, at most 63: one gateway, across its restarts. */
  readonly instance: string
  /** Milliseconds since 1970. */
  now(): number
  /** Nanoseconds of a clock that never goes back. */
  monotonic(): bigint
  /** Told once, when the log has stopped for good: the process should stop too, and recover when it is started again. */
  onFailure?(error: EvidenceError): void
  /** For the boot id; node:crypto's by default. */
  random?(bytes: number): Uint8Array
  /** The disk; tests give a failing one. */
  readonly files?: FileSystem
}

export interface Appended {
  /** `<writer>:<seq>`; empty when the entry was refused. */
  readonly id: string
  /**
   * Resolves when the entry, and all before it, are on disk. Rejects with EvidenceError: ERR_EVIDENCE_RECORD (this entry
   * only), ERR_EVIDENCE_WRITE (retryable: too far behind; fatal: the log has stopped), ERR_EVIDENCE_CLOSED. A caller that
   * doesn't look gets no unhandled rejection; one that lets anything happen must look.
   */
  readonly durable: Promise<void>
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
  /** Leaf hash of the session's last frame so far, durable or not; 64 zeros before the first and after session.closed. */
  recordingDigest(session: string): string
  /**
   * Gives every intent without an outcome an outcome.unknown, writes `writer.closed` and lets go of the directory, which it
   * does even when it rejects (the log had stopped, or stops now). A second call answers like the first.
   */
  close(): Promise<void>
}

/**
 * Opens a directory for writing as a new writer: takes the instance's lock, closes dead writers of the same instance, and
 * resolves when all that is durable. Throws EvidenceError ERR_EVIDENCE_DIRECTORY, _LOCKED, _TAMPERED or _WRITE.
 */
export async function openEvidenceLog(options: EvidenceOptions): Promise<EvidenceLog> {
  if (!isInstanceName(options.instance)) {
    throw new EvidenceError(
      'ERR_EVIDENCE_DIRECTORY',
      `the instance name must be 1 to 63 letters, digits, "_" or "-", the first a letter or digit; found ${options.instance.length} characters with others among them`,
    )
  }
  const directory = resolve(options.directory)
  const files = options.files ?? localFiles
  await usable(directory, () => prepare(directory, files))
  const random = (bytes: number): Uint8Array => options.random?.(bytes) ?? randomBytes(bytes)
  const lock = lockInstance(directory, options.instance)
  try {
    return await openLocked({ ...options, directory, files, random }, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

type Settings = Omit<Required<EvidenceOptions>, 'onFailure'> & Pick<EvidenceOptions, 'onFailure'>

async function openLocked(settings: Settings, lock: InstanceLock): Promise<EvidenceLog> {
  const { directory, instance } = settings
  const before = await usable(directory, () => findPredecessors(directory, instance))
  const writerId = `${instance}.${nextBoot(settings.now(), before.newest, settings.random(6))}`
  const files = await usable(directory, () => createFiles(settings, writerId))
  const commit = new GroupCommit(files, (error) => settings.onFailure?.(error))
  const log = new WriterLog({ writerId, clock: settings, commit, lock, before })
  await log.begin(before)
  return log
}

async function prepare(directory: string, files: FileSystem): Promise<void> {
  for (const path of [directory, recordsIn(directory), recordingsIn(directory), locksIn(directory)]) {
    await files.makeDirectory(path)
  }
}

// The recording first, and its name durable: a records file without a recording file is never a crash's work.
async function createFiles(
  { directory, files }: Settings,
  writerId: string,
): Promise<Readonly<Record<EntryKind, NamedFile>>> {
  const frame = await createFile(files, recordingFile(directory, writerId), recordingsIn(directory))
  try {
    return { frame, record: await createFile(files, recordsFile(directory, writerId), recordsIn(directory)) }
  } catch (error) {
    await frame.file.close()
    throw error
  }
}

async function createFile(files: FileSystem, path: string, parent: string): Promise<NamedFile> {
  const file = await files.create(path)
  try {
    await files.syncDirectory(parent)
  } catch (error) {
    await file.close()
    throw error
  }
  return { path, file }
}

async function usable<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof EvidenceError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${directory}: can't be used for evidence (${reason}); it must be a directory that this user can read and write`
    throw new EvidenceError('ERR_EVIDENCE_DIRECTORY', message, { cause, fatal: true })
  }
}

interface WriterParts {
  readonly writerId: string
  readonly clock: Pick<EvidenceOptions, 'now' | 'monotonic'>
  readonly commit: GroupCommit
  readonly lock: InstanceLock
  readonly before: Predecessors
}

/** Stamps, chains and hands over. Everything up to the batch happens in the caller's turn, so order of calls is order. */
class WriterLog implements EvidenceLog {
  readonly writerId: string
  readonly inDoubt: readonly InDoubt[]
  readonly #parts: WriterParts
  readonly #recordings: Recordings
  /** Intents of this writer that have no outcome yet: as many as there are requests under way. */
  readonly #open = new Map<string, InDoubt>()
  #seq = 0
  #head = NO_LEAF
  #closing: Promise<void> | null = null

  constructor(parts: WriterParts) {
    this.writerId = parts.writerId
    this.inDoubt = parts.before.dead.flatMap(({ inDoubt }) => inDoubt)
    this.#parts = parts
    this.#recordings = new Recordings(parts.writerId)
  }

  /** The first records: who came before, and the end of those that died. Closes the files when that can't be written. */
  async begin({ end, dead }: Predecessors): Promise<void> {
    const { commit } = this.#parts
    try {
      const previous = end === null ? null : { ...end }
      let last = this.#append({ event: 'writer.opened', detail: { format: 1, previous } })
      for (const writer of dead) for (const draft of closingDrafts(writer)) last = this.#append(draft)
      await last.durable
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
      const { text, leaf } = this.#recordings.encode(session, frame, { ts: timestamp(clock.now()), ns })
      const { batch, durable } = commit.add('frame', text)
      this.#recordings.added(session, leaf, batch, ns)
      return { id: `${this.writerId}:${session}:${this.#recordings.frames(session)}`, durable }
    } catch (error) {
      return refused(error)
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
    const { commit, lock } = this.#parts
    try {
      await commit.idle()
      for (const intent of this.#open.values()) this.#append(unknownOutcome(intent, 'shutdown'))
      await this.#append(this.#closed()).durable
    } finally {
      await commit.stop()
      lock.release()
    }
  }

  #closed(): RecordDraft {
    const recording = { ...this.#recordings.total() }
    return {
      event: 'writer.closed',
      detail: { writer_id: this.writerId, last_seq: this.#seq + 1, how: 'clean', recording },
    }
  }

  #append(draft: RecordDraft): Appended {
    const { commit } = this.#parts
    try {
      commit.assertWritable()
      const stamp = this.#stamp(draft)
      const { text, leaf } = encodeLine('record', { ...draft, ...stamp })
      const { durable } = commit.add('record', text)
      this.#seq = stamp.seq
      this.#head = leaf
      this.#follow(draft, stamp)
      return { id: stamp.id, durable }
    } catch (error) {
      return refused(error)
    }
  }

  #stamp({ session }: RecordDraft): Stamp {
    const { clock, commit } = this.#parts
    const seq = this.#seq + 1
    const stamp = {
      id: `${this.writerId}:${seq}`,
      writer_id: this.writerId,
      seq,
      prev: this.#head,
      ts: timestamp(clock.now()),
      mono_ns: String(clock.monotonic()),
    }
    const recording = session === undefined ? undefined : this.#recordings.unnamed(session, commit.durableBatch)
    return recording === undefined ? stamp : { ...stamp, recording }
  }

  #follow({ event, session, decision, principal, action }: RecordDraft, { id, ts, recording }: Stamp): void {
    if (session !== undefined && recording !== undefined) this.#recordings.named(session, recording)
    if (session !== undefined && event === 'session.closed') this.#recordings.end(session)
    if (decision === undefined) return
    if (isOutcome(event)) this.#open.delete(decision)
    if (isIntent(event)) {
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

function timestamp(ms: number): string {
  return new Date(ms).toISOString()
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
