import { setImmediate } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import type { AppendFile } from './file-store.ts'
import type { EntryKind } from './line.ts'

/** Beyond this many bytes waiting for the disk, callers are refused: the gateway must not buffer what it can't prove. */
const MAX_WAITING: number = 64 * 1024 * 1024

export interface NamedFile {
  readonly path: string
  readonly file: AppendFile
}

export interface Ticket {
  /** From 1, in the order in which batches become durable. */
  readonly batch: number
  readonly durable: Promise<void>
}

interface Batch {
  readonly number: number
  readonly lines: Record<EntryKind, string>
  readonly settled: PromiseWithResolvers<void>
}

/**
 * Group commit over a writer's two files: one batch is being written and synced while the next fills. All entries of a
 * batch share one promise. Fail-stop: after the first failure nothing is written any more, because after a failed
 * fdatasync the kernel may have dropped the pages and a later success would say nothing about them.
 */
export class GroupCommit {
  readonly #files: Readonly<Record<EntryKind, NamedFile>>
  readonly #onFailure: (error: EvidenceError) => void
  #filling: Batch = emptyBatch(1)
  #waiting = 0
  #durable = 0
  #running: Promise<void> | null = null
  #failure: EvidenceError | null = null

  /** Owns both files from here on: `stop` closes them. */
  constructor(files: Readonly<Record<EntryKind, NamedFile>>, onFailure: (error: EvidenceError) => void) {
    this.#files = files
    this.#onFailure = onFailure
  }

  /** The number of the last batch that is on disk. */
  get durableBatch(): number {
    return this.#durable
  }

  /** Throws what refuses the next line: the failure that stopped the log, or a disk that can't keep up. */
  assertWritable(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#waiting > MAX_WAITING) {
      const message = `evidence can't be written: the disk is ${this.#waiting} bytes behind; ask again later`
      throw new EvidenceError('ERR_EVIDENCE_WRITE', message, { retryable: true })
    }
  }

  /** Takes a line in order. The caller has asked `assertWritable` in the same turn. */
  add(kind: EntryKind, text: string): Ticket {
    const batch = this.#filling
    batch.lines[kind] += text
    this.#waiting += text.length
    this.#running ??= this.#run()
    return { batch: batch.number, durable: batch.settled.promise }
  }

  /** Resolves when nothing is being written; the failure, if there was one, is not thrown here. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Lets the batch in flight end, then closes the files. */
  async stop(): Promise<void> {
    await this.idle()
    // What closing could still report, fdatasync has answered for.
    await Promise.allSettled(Object.values(this.#files).map(({ file }) => file.close()))
  }

  async #run(): Promise<void> {
    try {
      while (this.#failure === null && !isEmpty(this.#filling)) {
        // Whoever is ready in this turn of the event loop (those that the last batch let go among them) shares the batch:
        // nearly all that a commit costs is the kernel's, per commit.
        await setImmediate()
        const batch = this.#filling
        this.#filling = emptyBatch(batch.number + 1)
        await this.#commit(batch)
      }
    } finally {
      this.#running = null
    }
  }

  async #commit(batch: Batch): Promise<void> {
    const failure = await writeBatch(this.#files, batch)
    this.#waiting -= batch.lines.record.length + batch.lines.frame.length
    if (failure !== null) {
      this.#fail(failure, batch)
      return
    }
    this.#durable = batch.number
    batch.settled.resolve()
  }

  #fail(failure: EvidenceError, batch: Batch): void {
    this.#failure = failure
    try {
      this.#onFailure(failure)
    } finally {
      batch.settled.reject(failure)
      this.#filling.settled.reject(failure)
    }
  }
}

function emptyBatch(number: number): Batch {
  const settled = Promise.withResolvers<void>()
  // A caller may look at it only later (or, for a note, never); a failure is told by onFailure all the same.
  settled.promise.catch(() => {})
  return { number, lines: { record: '', frame: '' }, settled }
}

function isEmpty({ lines }: Batch): boolean {
  return lines.record === '' && lines.frame === ''
}

// Both files at the same time. Waits for both even when one fails: nothing may be in flight when files are closed.
async function writeBatch(
  files: Readonly<Record<EntryKind, NamedFile>>,
  { lines }: Batch,
): Promise<EvidenceError | null> {
  const failures = await Promise.all([writeLines(files.record, lines.record), writeLines(files.frame, lines.frame)])
  return failures.find((failure) => failure !== null) ?? null
}

async function writeLines({ path, file }: NamedFile, text: string): Promise<EvidenceError | null> {
  if (text === '') return null
  const bytes = Buffer.from(text)
  try {
    const written = await file.write(bytes)
    if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`)
    await file.datasync()
    return null
  } catch (cause) {
    return writeFailure(path, cause)
  }
}

function writeFailure(path: string, cause: unknown): EvidenceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const message = `${path}: evidence can't be written (${reason}); everything is refused until the gateway is started again on a sound disk`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause, fatal: true })
}
