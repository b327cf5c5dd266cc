import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { Checkpoints, RHYTHM, type Rhythm } from './checkpoints.ts'
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
import type { EntryKind } from './line.ts'
import { lockInstance, type InstanceLock } from './lock.ts'
import { findPredecessors } from './recovery.ts'
import { Salts } from './payload.ts'
import type { NoteSigner } from './signed-note.ts'
import { WriterLog, type Clock, type EvidenceLog } from './writer-log.ts'
import { isInstanceName, nextBoot } from './writers.ts'

export interface EvidenceOptions extends Clock {
  /** Made (mode 0700) when it isn't there. */
  readonly directory: string
  /** Letters, digits, `_` and `-`, at most 63: one gateway, across its restarts. */
  readonly instance: string
  /** Told once, when the log has stopped for good: the process should stop too, and recover when it is started again. */
  onFailure?(error: EvidenceError): void
  /** The log's key. Without one, the directory is written without tree and checkpoints. */
  readonly signer?: NoteSigner
  /** When to sign; a second, and a heartbeat a minute, by default. */
  readonly rhythm?: Rhythm
  /** For the boot id and the payloads' salts; node:crypto's by default. */
  random?(bytes: number): Uint8Array
  /** The disk; tests give a failing one. */
  readonly files?: FileSystem
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

type Optional = 'onFailure' | 'signer' | 'rhythm'
type Settings = Omit<Required<EvidenceOptions>, Optional> & Pick<EvidenceOptions, Optional>

async function openLocked(settings: Settings, lock: InstanceLock): Promise<EvidenceLog> {
  const { directory, instance } = settings
  const before = await usable(directory, () => findPredecessors(directory, instance))
  const onFailure = tellOnce(settings)
  const checkpoints = await usable(directory, () => openCheckpoints(settings, onFailure))
  try {
    const writerId = `${instance}.${nextBoot(settings.now(), before.newest, settings.random(6))}`
    const files = await usable(directory, () => createFiles(settings, writerId))
    const commit = new GroupCommit(files, onFailure)
    const log = new WriterLog({
      writerId,
      clock: settings,
      commit,
      lock,
      before,
      salts: new Salts(settings.random),
      checkpoints,
    })
    await log.begin(before)
    return log
  } catch (error) {
    await checkpoints?.abandon()
    throw error
  }
}

// Before there is a new writer: where what was signed isn't there any more, nothing is added to it.
async function openCheckpoints(
  { directory, files, signer, rhythm = RHYTHM, ...clock }: Settings,
  onFailure: (error: EvidenceError) => void,
): Promise<Checkpoints | null> {
  if (signer === undefined) return null
  return Checkpoints.open({ directory, files, signer, rhythm, monotonic: () => clock.monotonic(), onFailure })
}

// Two can fail, the writer and the sequencer; the process ends for the first.
function tellOnce({ onFailure }: Settings): (error: EvidenceError) => void {
  let told = false
  return (error) => {
    if (!told) onFailure?.(error)
    told = true
  }
}

async function prepare(directory: string, files: FileSystem): Promise<void> {
  for (const path of [directory, recordsIn(directory), recordingsIn(directory), locksIn(directory)]) {
    await files.makeDirectory(path)
  }
  // Also when they were there: the start that made them may have died before their names were durable.
  await files.syncDirectory(directory)
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
