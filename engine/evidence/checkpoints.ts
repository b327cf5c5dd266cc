import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import type { RecordDraft } from './decision-record.ts'
import { lockInstance, type InstanceLock } from './lock.ts'
import { Sequencer, type SequencerOptions } from './sequencer.ts'

export interface Rhythm {
  /** Milliseconds from one look at the records to the next: a checkpoint is at most about this far behind. */
  readonly everyMs: number
  /** A `log.checkpoint` record is written when nothing has been recorded for so long: silence is provable to that. */
  readonly heartbeatMs: number
}

export const RHYTHM: Rhythm = { everyMs: 1000, heartbeatMs: 60_000 }

export interface CheckpointsOptions extends SequencerOptions {
  readonly rhythm: Rhythm
  readonly monotonic: () => bigint
  /** The log can't be signed any more; nothing else is told, and nothing more is signed. */
  readonly onFailure: (error: EvidenceError) => void
}

/** The sequencer at work beside a writer: off the path of any decision, one pass at a time. Life: open → start → close. */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  readonly #sequencer: Sequencer
  readonly #stop: AbortController = new AbortController()
  readonly #lock: InstanceLock
  #running: Promise<void> = Promise.resolve()
  #failure: EvidenceError | null = null

  private constructor(options: CheckpointsOptions, sequencer: Sequencer, lock: InstanceLock) {
    this.#options = options
    this.#lock = lock
    this.#sequencer = sequencer
  }

  static async open(options: CheckpointsOptions): Promise<Checkpoints> {
    // Writers of several instances may share a directory; its order has one author. The dot keeps it from being one's name.
    const lock = lockLog(options.directory)
    try {
      return new Checkpoints(options, await Sequencer.open(options), lock)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /**
   * Signs all that is there, then goes on by itself: from the moment a gateway serves there is a checkpoint, however soon
   * it dies. `note` records; a heartbeat that is refused is the writer's failure, which it tells itself.
   */
  async start(note: (draft: RecordDraft) => void): Promise<void> {
    try {
      while (await this.#sequencer.advance());
    } catch (error) {
      throw asFailure(error)
    }
    this.#running = this.#run(note)
  }

  /** Signs what the writer has left, its end included. Throws what stopped it. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
    try {
      if (this.#failure !== null) throw this.#failure
      while (await this.#sequencer.advance());
    } catch (error) {
      throw asFailure(error)
    } finally {
      await this.#sequencer.close()
      this.#lock.release()
    }
  }

  /** Closes without signing: for a start that failed. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#sequencer.close()
    this.#lock.release()
  }

  async #run(note: (draft: RecordDraft) => void): Promise<void> {
    const { rhythm, monotonic } = this.#options
    let active = monotonic()
    while (await this.#pause(rhythm.everyMs)) {
      try {
        if (await this.#sequencer.advance()) active = monotonic()
      } catch (error) {
        this.#failure = asFailure(error)
        this.#options.onFailure(this.#failure)
        return
      }
      if (monotonic() - active < BigInt(rhythm.heartbeatMs) * 1_000_000n) continue
      const { size, root } = this.#sequencer.checkpoint
      note({ event: 'log.checkpoint', detail: { size, root: root.toString('hex') } })
      active = monotonic()
    }
  }

  async #pause(ms: number): Promise<boolean> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal, ref: false })
      return true
    } catch {
      return false
    }
  }
}

function lockLog(directory: string): InstanceLock {
  try {
    return lockInstance(directory, '.log')
  } catch (cause) {
    if (!(cause instanceof EvidenceError) || cause.code !== 'ERR_EVIDENCE_LOCKED') throw cause
    const message = `${directory}: another process signs the log of this directory; give each gateway that has a log key an evidence directory of its own`
    throw new EvidenceError('ERR_EVIDENCE_LOCKED', message, { cause })
  }
}

function asFailure(error: unknown): EvidenceError {
  if (error instanceof EvidenceError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const message = `the log can't be sequenced and signed (${reason}); everything is refused until the gateway is started again on a sound disk`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause: error, fatal: true })
}
