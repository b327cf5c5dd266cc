import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import {
  append,
  createWith,
  logIn,
  publish,
  sequenceFile,
  tilesIn,
  type AppendFile,
  type FileSystem,
} from './file-store.ts'
import { LeafReader } from './leaf-reader.ts'
import { lockInstance, type InstanceLock } from './lock.ts'
import { joined, parseSequence, runLine, type Run, type Sequence } from './sequence.ts'
import type { LeafSource, OrderStore, StoredTile } from './store.ts'
import { writersIn, type WriterName } from './writers.ts'

/** The order of a directory's records, in its `log/`; ERR_EVIDENCE_LOCKED while another process has it. */
export async function openDirectoryOrder(directory: string, files: FileSystem): Promise<OrderStore> {
  const lock = lockLog(directory)
  try {
    await files.makeDirectory(tilesIn(directory))
    await files.syncDirectory(logIn(directory))
    return new DirectoryOrder(directory, files, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** How many of a writer's records are in the sequence file. */
export async function orderedIn(directory: string, writer: string): Promise<number> {
  const { runs } = await readSequence(directory)
  return runs.reduce((count, run) => (run.writer === writer ? count + run.count : count), 0)
}

async function readSequence(directory: string): Promise<Sequence> {
  return parseSequence((await readIfThere(sequenceFile(directory), (path) => readFile(path, 'utf8'))) ?? '')
}

class DirectoryOrder implements OrderStore {
  readonly place: string
  readonly #files: FileSystem
  readonly #lock: InstanceLock
  #sequence: AppendFile | null = null

  constructor(directory: string, files: FileSystem, lock: InstanceLock) {
    this.place = directory
    this.#files = files
    this.#lock = lock
  }

  // Each step below is on the disk when it has resolved.
  steps<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  locate(name: string): string {
    return join(logIn(this.place), name === 'sequence' ? 'sequence.ndjson' : name)
  }

  document(name: string): Promise<string | undefined> {
    return readIfThere(this.locate(name), (path) => readFile(path, 'utf8'))
  }

  publish(name: string, text: string): Promise<void> {
    return publish(this.#files, this.locate(name), text)
  }

  sequence(): Promise<Sequence> {
    return readSequence(this.place)
  }

  async resume(runs: readonly Run[]): Promise<void> {
    const path = sequenceFile(this.place)
    this.#sequence = await createWith(this.#files, `${path}.new`, joined(runs).map(runLine).join(''))
    await this.#files.rename(`${path}.new`, path)
    await this.#files.syncDirectory(dirname(path))
  }

  async extend(runs: readonly Run[]): Promise<void> {
    if (this.#sequence === null) throw new EvidenceError('ERR_EVIDENCE_CLOSED', 'the sequencer is closed')
    await append(this.#sequence, runs.map(runLine).join(''))
  }

  tile(path: string): Promise<Buffer | undefined> {
    return readIfThere(join(tilesIn(this.place), path), (file) => readFile(file))
  }

  async writeTiles(tiles: readonly StoredTile[]): Promise<void> {
    for (const { path, hashes } of tiles) {
      const file = join(tilesIn(this.place), path)
      await this.#files.makeDirectory(dirname(file))
      await publish(this.#files, file, hashes)
    }
  }

  async removeTiles(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#files.remove(join(tilesIn(this.place), path))
  }

  writers(): Promise<readonly WriterName[]> {
    return writersIn(this.place)
  }

  leaves(writer: string): LeafSource {
    return new LeafReader(this.place, writer)
  }

  async release(): Promise<void> {
    const sequence = this.#sequence
    this.#sequence = null
    try {
      await sequence?.close()
    } finally {
      this.#lock.release()
    }
  }
}

// Writers of several instances may share a directory; its order has one author. The dot keeps it from being one's name.
function lockLog(directory: string): InstanceLock {
  try {
    return lockInstance(directory, '.log')
  } catch (cause) {
    if (!(cause instanceof EvidenceError) || cause.code !== 'ERR_EVIDENCE_LOCKED') throw cause
    const message = `${directory}: another process signs the log of this directory; give each gateway that has a log key an evidence directory of its own`
    throw new EvidenceError('ERR_EVIDENCE_LOCKED', message, { cause })
  }
}

async function readIfThere<T>(path: string, read: (path: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await read(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
