import { localFiles, type AppendFile, type FileSystem } from '../../../engine/evidence/file-store.ts'

export type Step = 'makeDirectory' | 'create' | 'syncDirectory' | 'write' | 'datasync' | 'rename' | 'remove'

/**
 * How a step goes wrong: before it did anything, after it did all of it, or (a write) in the middle; `full`: from this step
 * on there is no room, for half a write at first, for nothing after that.
 */
export type Fault = 'before' | 'after' | 'short' | 'full'

const TAKES_ROOM: ReadonlySet<Step> = new Set(['makeDirectory', 'create', 'write'])

/** A real disk that fails once, at the nth step of all, and works again after that, as a disk may; or stays full. */
export class FailingFiles implements FileSystem {
  readonly steps: Step[] = []
  readonly #failAt: number
  readonly #fault: Fault

  constructor(failAt: number, fault: Fault) {
    this.#failAt = failAt
    this.#fault = fault
  }

  makeDirectory(path: string): Promise<void> {
    return this.#step('makeDirectory', () => localFiles.makeDirectory(path))
  }

  syncDirectory(path: string): Promise<void> {
    return this.#step('syncDirectory', () => localFiles.syncDirectory(path))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#step('rename', () => localFiles.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.#step('remove', () => localFiles.remove(path))
  }

  async create(path: string): Promise<AppendFile> {
    let made: AppendFile | undefined
    const file = await this.#step('create', async () => (made = await localFiles.create(path))).catch(async (error) => {
      await made?.close()
      throw error
    })
    return {
      write: (bytes) => this.#write(file, bytes),
      datasync: () => this.#step('datasync', () => file.datasync()),
      close: () => file.close(),
    }
  }

  async #write(file: AppendFile, bytes: Uint8Array): Promise<number> {
    const short = (this.#fault === 'short' || this.#fault === 'full') && this.steps.length === this.#failAt
    if (!short) return this.#step('write', () => file.write(bytes))
    this.steps.push('write')
    return file.write(bytes.subarray(0, Math.floor(bytes.length / 2)))
  }

  async #step<T>(step: Step, work: () => Promise<T>): Promise<T> {
    const full = this.#fault === 'full' && this.steps.length >= this.#failAt && this.#failAt >= 0
    const fails = this.steps.length === this.#failAt && (this.#fault === 'before' || this.#fault === 'after')
    this.steps.push(step)
    if (full && TAKES_ROOM.has(step)) throw new Error('ENOSPC: no space left on device')
    if (fails && this.#fault === 'before') throw new Error('EIO: i/o error')
    const result = await work()
    if (fails) throw new Error('EIO: i/o error')
    return result
  }
}
