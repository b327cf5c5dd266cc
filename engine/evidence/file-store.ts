import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'

/** One append-only file. `write` answers how many bytes were taken: fewer than given is a failure to the caller. */
export interface AppendFile {
  write(bytes: Uint8Array): Promise<number>
  /** fdatasync: resolves when the bytes, and the size that makes them readable, are on the disk. */
  datasync(): Promise<void>
  close(): Promise<void>
}

/** What the log asks of a disk while it writes. Tests put failing ones in its place. */
export interface FileSystem {
  /** Makes a directory with its parents (mode 0700) and makes each new name durable. */
  makeDirectory(path: string): Promise<void>
  /** Makes a file that must not be there yet (mode 0600), open for appending only. */
  create(path: string): Promise<AppendFile>
  /** fsync of a directory: the names in it survive a crash. */
  syncDirectory(path: string): Promise<void>
  /** Puts a file in the place of another in one step; both are in the same directory. */
  rename(from: string, to: string): Promise<void>
  /** A file that isn't there is no failure. */
  remove(path: string): Promise<void>
}

export const localFiles: FileSystem = {
  makeDirectory,
  create,
  syncDirectory,
  rename,
  remove: (path) => rm(path, { force: true }),
}

async function makeDirectory(path: string): Promise<void> {
  const target = resolve(path)
  const first = await mkdir(target, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  let parent = dirname(first)
  await syncDirectory(parent)
  for (const name of relative(parent, target).split('/').slice(0, -1)) {
    parent = join(parent, name)
    await syncDirectory(parent)
  }
}

async function create(path: string): Promise<AppendFile> {
  const file = await open(path, 'ax', 0o600)
  return {
    write: async (bytes) => (await file.write(bytes)).bytesWritten,
    datasync: () => file.datasync(),
    close: () => file.close(),
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * Writes a whole file so that its name stands for the old content or the new, whenever the machine dies, and for the new
 * once this has resolved. A crash may leave `<path>.new` behind, which the next write of the file removes.
 */
export async function publish(files: FileSystem, path: string, content: string | Uint8Array): Promise<void> {
  const file = await createWith(files, `${path}.new`, content)
  await file.close()
  await files.rename(`${path}.new`, path)
  await files.syncDirectory(dirname(path))
}

/** A new file with this content, durable but for its name, and open for more. */
export async function createWith(files: FileSystem, path: string, content: string | Uint8Array): Promise<AppendFile> {
  await files.remove(path)
  const file = await files.create(path)
  try {
    await append(file, content)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Durable when it resolves. */
export async function append(file: AppendFile, content: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(content)
  const written = await file.write(bytes)
  if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`)
  await file.datasync()
}

/** Where things are in an evidence directory. */
export const recordsIn = (directory: string): string => join(directory, 'records')
export const recordingsIn = (directory: string): string => join(directory, 'recordings')
export const locksIn = (directory: string): string => join(directory, 'locks')
export const recordsFile = (directory: string, writer: string): string => join(recordsIn(directory), `${writer}.ndjson`)
export const recordingFile = (directory: string, writer: string): string =>
  join(recordingsIn(directory), `${writer}.ndjson`)
export const logIn = (directory: string): string => join(directory, 'log')
export const tilesIn = (directory: string): string => join(logIn(directory), 'tile')
export const checkpointFile = (directory: string): string => join(logIn(directory), 'checkpoint')
export const sequenceFile = (directory: string): string => join(logIn(directory), 'sequence.ndjson')
