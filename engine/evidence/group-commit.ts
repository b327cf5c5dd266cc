import { setImmediate } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import { Company } from './company.ts'
import type { EntryKind } from './line.ts'
import type { LineWriter } from './store.ts'

/** How long a store may take over one batch before it counts as gone: the gateway must not wait for ever to say no. */
const PATIENCE_MS = 10_000
/** How often within it is looked. */
const LOOKS = 10

/** Beyond this many bytes waiting for the disk, callers are refused: the gateway must not buffer what it can't prove. */
const MAX_WAITING: number = 64 * 1024 * 1024

export interface Ticket {
  /** From 1, in the order in which batches become durable. */
  readonly batch: number
  readonly durable: Promise<void>
}

interface Batch {
  readonly number: number
  readonly lines: Record<EntryKind, string>
  /** Records in it. */
  waiting: number
  readonly settled: PromiseWithResolvers<void>
}

/**
 * Group commit over one writer of a store: one batch is being written and made durable while the next fills. All entries
 * of a batch share one promise. Fail-stop: after the first failure nothing is written any more, because after a failed
 * fdatasync the kernel may have dropped the pages, and a commit whose answer was lost may have taken effect: a later
 * success would say nothing about either.
 */
export class GroupCommit {
  readonly #writer: LineWriter
  readonly #onFailure: (error: EvidenceError) => void
  #filling: Batch = emptyBatch(1)
  #waiting = 0
  #durable = 0
  #running: Promise<void> | null = null
  #failure: EvidenceError | null = null
  readonly #patienceMs: number
  readonly #company: Company = new Company()

  /** Owns the writer from here on: `stop` closes it. */
  constructor(writer: LineWriter, onFailure: (error: EvidenceError) => void, patienceMs: number = PATIENCE_MS) {
    this.#writer = writer
    this.#onFailure = onFailure
    this.#patienceMs = patienceMs
  }

  /** The number of the last batch that is durable. */
  get durableBatch(): number {
    return this.#durable
  }

  /** Bytes that were taken and are not durable yet. */
  get waitingBytes(): number {
    return this.#waiting
  }

  /** What stopped it; null while it writes. */
  get failure(): EvidenceError | null {
    return this.#failure
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
    if (kind === 'record') this.#company.waiting((batch.waiting += 1))
    if (this.#failure === null) this.#running ??= this.#run()
    return { batch: batch.number, durable: batch.settled.promise }
  }

  /** Resolves when nothing is being written, or waits to be; the failure, if there was one, is not thrown here. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Lets the batch in flight end, then closes the writer. */
  async stop(): Promise<void> {
    await this.idle()
    await this.#writer.close()
  }

  async #run(): Promise<void> {
    try {
      while (this.#failure === null && !isEmpty(this.#filling)) {
        // Whoever is ready in this turn of the event loop (those that the last batch let go among them) shares the batch:
        // nearly all that a commit costs is the kernel's, per commit.
        await setImmediate()
        await this.#company.gathered()
        const batch = this.#filling
        this.#filling = emptyBatch(batch.number + 1)
        await this.#commit(batch)
      }
    } finally {
      this.#running = null
    }
  }

  async #commit(batch: Batch): Promise<void> {
    const began = this.#company.now()
    try {
      await this.#written(this.#writer.write(batch.lines))
    } catch (error) {
      this.#fail(asFailure(error), batch)
      return
    } finally {
      this.#waiting -= batch.lines.record.length + batch.lines.frame.length
    }
    this.#durable = batch.number
    this.#company.committed(batch.waiting, this.#filling.waiting, this.#company.now() - began)
    batch.settled.resolve()
  }

  // A disk that hangs and a server that is cut off answer nothing: what they have of it is for recovery to find out.
  // Counted in looks, not by the clock: while this process itself stands still (a statement that takes seconds to judge, a
  // machine that sleeps), an answer can't be heard, and all that time is one look. Else one client's statement ends us.
  async #written(write: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>()
    let looks = 0
    const timer = setInterval(() => {
      if ((looks += 1) < LOOKS) return
      clearInterval(timer)
      write.catch(() => {})
      const message = `evidence can't be written: no answer for ${this.#patienceMs} ms; everything is refused until the gateway is started again on a store that answers`
      late.reject(new EvidenceError('ERR_EVIDENCE_WRITE', message, { fatal: true }))
    }, this.#patienceMs / LOOKS)
    try {
      await Promise.race([write, late.promise])
    } finally {
      clearInterval(timer)
    }
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
  return { number, lines: { record: '', frame: '' }, waiting: 0, settled }
}

function isEmpty({ lines }: Batch): boolean {
  return lines.record === '' && lines.frame === ''
}

// A store says what is wrong in its own words; anything else is a fault in it, and stops the log no less.
function asFailure(error: unknown): EvidenceError {
  if (error instanceof EvidenceError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const message = `evidence can't be written (${reason}); everything is refused until the gateway is started again`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause: error, fatal: true })
}
