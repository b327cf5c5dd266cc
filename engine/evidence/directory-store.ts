import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { directorySource, fileOf } from './directory-source.ts'
import { openDirectoryOrder, orderedIn } from './directory-order.ts'
import {
  localFiles,
  locksIn,
  recordingFile,
  recordingsIn,
  recordsFile,
  recordsIn,
  type AppendFile,
  type FileSystem,
} from './file-store.ts'
import { MAX_LINE_BYTES, type EntryKind } from './line.ts'
import { isInstanceRunning, lockInstance } from './lock.ts'
import { overwrite } from './overwriting.ts'
import { readRecords } from './reading.ts'
import { STATE_MARKS, type Batch, type EvidenceStore, type InstanceHold, type LineWriter } from './store.ts'
import { writersIn } from './writers.ts'

/** More than any line takes. */
const CHUNK_BYTES: number = 256 * 1024

/** Evidence in files of one directory (docs/evidence-format.md), made with mode 0700 when it isn't there. */
export function directoryStore(path: string, files: FileSystem = localFiles): EvidenceStore {
  const directory = resolve(path)
  const source = directorySource(directory)
  return {
    place: directory,
    source,
    prepare: () => prepare(directory, files),
    hold: (instance) => hold(directory, instance, files),
    writers: () => writersIn(directory),
    content: (kind, writer) => createReadStream(fileOf(directory, kind, writer), { highWaterMark: CHUNK_BYTES }),
    lastRecord: (writer) => readLastLine(recordsFile(directory, writer)),
    order: () => openDirectoryOrder(directory, files),
    ordered: (writer) => orderedIn(directory, writer),
    stateChanges: () => readRecords(source, { mark: STATE_MARKS }),
    isHeld: (instance) => Promise.resolve(isInstanceRunning(directory, instance)),
    erase: (kind, writer, payloads) => overwrite(fileOf(directory, kind, writer), payloads),
    close: () => Promise.resolve(),
  }
}

async function prepare(directory: string, files: FileSystem): Promise<void> {
  for (const path of [directory, recordsIn(directory), recordingsIn(directory), locksIn(directory)]) {
    await files.makeDirectory(path)
  }
  // Also when they were there: the start that made them may have died before their names were durable.
  await files.syncDirectory(directory)
}

// The lock is the kernel's, and goes with the process: a writer that lost it can't be there to write.
function hold(directory: string, instance: string, files: FileSystem): Promise<InstanceHold> {
  const lock = lockInstance(directory, instance)
  return Promise.resolve({
    create: (writer) => createFiles(directory, files, writer),
    release: () => Promise.resolve(lock.release()),
  })
}

interface NamedFile {
  readonly path: string
  readonly file: AppendFile
}

// The recording first, and its name durable: a records file without a recording file is never a crash's work.
async function createFiles(directory: string, files: FileSystem, writer: string): Promise<LineWriter> {
  const frame = await createFile(files, recordingFile(directory, writer), recordingsIn(directory))
  try {
    const record = await createFile(files, recordsFile(directory, writer), recordsIn(directory))
    return {
      write: (batch) => writeBatch({ record, frame }, batch),
      // What closing could still report, fdatasync has answered for.
      close: async () => void (await Promise.allSettled([record.file.close(), frame.file.close()])),
    }
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

// Both files at the same time. Waits for both even when one fails: nothing may be in flight when files are closed.
async function writeBatch(files: Readonly<Record<EntryKind, NamedFile>>, batch: Batch): Promise<void> {
  const done = await Promise.allSettled([writeLines(files.record, batch.record), writeLines(files.frame, batch.frame)])
  for (const each of done) if (each.status === 'rejected') throw each.reason
}

async function writeLines({ path, file }: NamedFile, text: string): Promise<void> {
  if (text === '') return
  const bytes = Buffer.from(text)
  try {
    const written = await file.write(bytes)
    if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`)
    await file.datasync()
  } catch (cause) {
    throw writeFailure(path, cause)
  }
}

function writeFailure(path: string, cause: unknown): EvidenceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `${path}: evidence can't be written (${reason}); everything is refused until the gateway is started again on a sound disk`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause, fatal: true })
}

async function readLastLine(path: string): Promise<Buffer | undefined> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const length = Math.min(size, MAX_LINE_BYTES + 2)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const end = buffer.subarray(0, bytesRead)
    if (end.at(-1) !== 0x0a) return undefined
    return end.subarray(end.lastIndexOf(0x0a, -2) + 1, -1)
  } finally {
    await file.close()
  }
}
