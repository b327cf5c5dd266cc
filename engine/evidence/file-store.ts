import { mkdir, open } from 'node:fs/promises'
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
}

export const localFiles: FileSystem = { makeDirectory, create, syncDirectory }

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

/** Where things are in an evidence directory. */
export const recordsIn = (directory: string): string => join(directory, 'records')
export const recordingsIn = (directory: string): string => join(directory, 'recordings')
export const locksIn = (directory: string): string => join(directory, 'locks')
export const recordsFile = (directory: string, writer: string): string => join(recordsIn(directory), `${writer}.ndjson`)
export const recordingFile = (directory: string, writer: string): string =>
  join(recordingsIn(directory), `${writer}.ndjson`)
