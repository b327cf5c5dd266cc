import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import type { RecordDraft } from './decision-record.ts'
import type { Peers } from './peers.ts'
import { findRotation } from './rotation.ts'
import { Sequencer } from './sequencer.ts'
import type { NoteSigner } from './signed-note.ts'
import type { EvidenceStore } from './store.ts'
import { witnessedDetail, type Witnesses } from './witnesses.ts'

export interface Rhythm {
  /** Milliseconds from one look at the records to the next: a checkpoint is at most about this far behind. */
  readonly everyMs: number
  /** A `log.checkpoint` record is written when nothing has been recorded for so long: silence is provable to that. */
  readonly heartbeatMs: number
  /** How long a dead gateway's writers stay open when it isn't started again; five minutes by default. */
  readonly peerMs?: number
}

export const RHYTHM: Rhythm = { everyMs: 1000, heartbeatMs: 60_000 }

/** A store that can't be reached to be signed in for so long is as good as one that can't be written. */
const LOST_MS = 30_000
/** How long the last records of a writer that doesn't sign wait, when it closes, for the one who does. */
const COVER_MS = 10_000
const COVER_POLL_MS = 50

export interface CheckpointsOptions {
  readonly store: EvidenceStore
  readonly signer: NoteSigner
  /** The key that signed until now, where `signer` is another. */
  readonly previous?: NoteSigner
  /** Those who get each checkpoint; owned from here on. */
  readonly witnesses?: Witnesses
  readonly rhythm: Rhythm
  readonly monotonic: () => bigint
  /** The log can't be signed any more; nothing else is told, and nothing more is signed. */
  readonly onFailure: (error: EvidenceError) => void
  readonly peers: Pick<Peers, 'look'>
}

/** How far the log is signed, for who watches over it. Ages are milliseconds. */
export interface SignedStanding {
  /** Whether it is this gateway that signs; else another one does, and knows the rest. */
  readonly signs: boolean
  /** The last checkpoint; `ageMs`: since all that was recorded until then had been signed. */
  readonly checkpoint: { readonly origin: string; readonly size: number; readonly ageMs: number } | null
  /** What a witness has signed last, and since when it is known. Null: nothing, or there are no witnesses. */
  readonly witnessed: { readonly size: number; readonly ageMs: number } | null
  readonly witnesses: number
}

/** Where a writer's records end. */
interface End {
  readonly writer: string
  readonly seq: number
}

/** The writer that the sequencer works beside: it records what the sequencer has to say. */
interface Beside {
  readonly writer: string
  readonly note: (draft: RecordDraft) => { readonly id: string; readonly durable: Promise<void> }
}

/**
 * The sequencer at work beside a writer: off the path of any decision, one pass at a time. Where several gateways share a
 * store, one of them has it; the others ask for it every time, and the first to be let takes over. Life: open → start →
 * close.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  readonly #stop: AbortController = new AbortController()
  /** null while another gateway signs. */
  #sequencer: Sequencer | null
  #running: Promise<void> = Promise.resolve()
  #failure: EvidenceError | null = null
  /** Since when the store couldn't be reached for signing, by the monotonic clock. */
  #lost: bigint | null = null
  /** When it was last seen that all is signed, and when a witness's signature was last kept; by the monotonic clock. */
  #signed: bigint
  #witnessed: bigint

  private constructor(options: CheckpointsOptions, sequencer: Sequencer | null) {
    this.#options = options
    this.#sequencer = sequencer
    this.#signed = options.monotonic()
    this.#witnessed = this.#signed
  }

  static async open(options: CheckpointsOptions): Promise<Checkpoints> {
    return new Checkpoints(options, await elect(options))
  }

  /**
   * Signs all that is there, if it is this one's to do, then goes on by itself: from the moment a gateway serves there is
   * a checkpoint, however soon it dies. `note` records; one that is refused is the writer's failure, which it tells itself.
   * Where the log's key is to be another one, that is recorded here, between the old key's last checkpoint and the new
   * key's first.
   */
  async start(beside: Beside): Promise<void> {
    try {
      await this.#signAll()
      await this.#rotate(beside)
      await this.#recall()
    } catch (error) {
      throw asFailure(error)
    }
    this.#running = this.#run(beside)
  }

  /** Sees to it that what the writer has left is signed, its end included. Throws what stopped it. */
  async close(end: End): Promise<void> {
    this.#stop.abort()
    await this.#running
    try {
      if (this.#failure !== null) throw this.#failure
      await this.#cover(end)
      await this.#closeWitnesses()
    } catch (error) {
      throw asFailure(error)
    } finally {
      await this.#options.witnesses?.abandon()
      await this.#sequencer?.close()
    }
  }

  /** Closes without signing: for a start that failed. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#options.witnesses?.abandon()
    await this.#sequencer?.close()
  }

  standing(): SignedStanding {
    const { witnesses, monotonic } = this.#options
    const now = monotonic()
    const age = (since: bigint): number => Number((now - since) / 1_000_000n)
    const signs = this.#sequencer !== null
    const seen = witnesses?.witnessed ?? null
    const { origin, size } = this.#sequencer?.checkpoint ?? { origin: '', size: 0 }
    return {
      signs,
      checkpoint: signs ? { origin, size, ageMs: age(this.#signed) } : null,
      witnessed: seen === null ? null : { size: seen.size, ageMs: age(this.#witnessed) },
      witnesses: witnesses?.count ?? 0,
    }
  }

  async #run(beside: Beside): Promise<void> {
    const { rhythm, monotonic, onFailure } = this.#options
    let active = monotonic()
    const tellWitnessed = this.#witnessedNotes(beside)
    while (await this.#pause(rhythm.everyMs)) {
      try {
        if (await this.#turn(beside)) active = monotonic()
        await this.#keepWitnessed()
        tellWitnessed()
      } catch (error) {
        if (await this.#stepsDown(error)) continue
        this.#failure = asFailure(error)
        onFailure(this.#failure)
        return
      }
      // While another signs, silence is that one's to tell.
      if (this.#sequencer === null) active = monotonic()
      if (this.#sequencer === null || monotonic() - active < BigInt(rhythm.heartbeatMs) * 1_000_000n) continue
      const { size, root } = this.#sequencer.checkpoint
      beside.note({ event: 'log.checkpoint', detail: { size, root: root.toString('hex') } })
      active = monotonic()
    }
  }

  /** One look: takes over where nobody signs, then signs what is new. Answers whether there was anything. */
  async #turn(beside: Beside): Promise<boolean> {
    if (this.#sequencer === null) {
      this.#sequencer = await elect(this.#options)
      if (this.#sequencer === null) return false
      const { size } = this.#sequencer.checkpoint
      beside.note({ event: 'gateway.failover', detail: { took: 'sequencer', size } })
      await this.#rotate(beside)
      await this.#recall()
    }
    const began = this.#options.monotonic()
    const news = await this.#sequencer.advance()
    this.#signed = began
    this.#lost = null
    if (news) this.#offer()
    await this.#options.peers.look(beside.writer)
    return news
  }

  // A checkpoint of the old key is as far behind as it will ever be once this is called.
  async #rotate(beside: Beside): Promise<void> {
    const draft = this.#sequencer?.rotation() ?? null
    if (draft === null) return
    const { id, durable } = beside.note(draft)
    const [writer = '', seq = ''] = id.split(':')
    this.#sequencer?.rotateAt({ writer, seq: Number(seq) })
    await durable
    await this.#signAll()
  }

  async #recall(): Promise<void> {
    const { witnesses } = this.#options
    if (witnesses === undefined || this.#sequencer === null) return
    witnesses.recall((await this.#sequencer.witnessed()) ?? '')
    this.#offer()
  }

  #offer(): void {
    const signed = this.#sequencer?.signed ?? null
    if (signed !== null) this.#options.witnesses?.offer(signed)
  }

  // Between two passes: what witnesses answer comes when it likes, and one at a time writes.
  async #keepWitnessed(): Promise<void> {
    const { witnesses } = this.#options
    const text = this.#sequencer === null ? null : (witnesses?.gathered ?? null)
    if (text === null) return
    await this.#sequencer?.keepWitnessed(text)
    witnesses?.kept(text)
    this.#witnessed = this.#options.monotonic()
  }

  async #closeWitnesses(): Promise<void> {
    const { witnesses } = this.#options
    if (witnesses === undefined || this.#sequencer === null) return
    this.#offer()
    await witnesses.close()
    await this.#keepWitnessed()
  }

  // Once a heartbeat at most, and only for more than the last told of: a record is a new checkpoint, which is witnessed too.
  #witnessedNotes(beside: Beside): () => void {
    const { rhythm, monotonic, witnesses } = this.#options
    let told = { at: monotonic(), size: 0 }
    return () => {
      const witnessed = witnesses?.witnessed ?? null
      if (witnessed === null || this.#sequencer === null || witnessed.size <= told.size) return
      if (monotonic() - told.at < BigInt(rhythm.heartbeatMs) * 1_000_000n) return
      beside.note({ event: 'log.witnessed', detail: witnessedDetail(witnessed) })
      told = { at: monotonic(), size: witnessed.size }
    }
  }

  // The place is lost with the way to the store: another may have taken it, and this one asks again.
  async #stepsDown(error: unknown): Promise<boolean> {
    if (!(error instanceof EvidenceError) || !error.retryable) return false
    const now = this.#options.monotonic()
    this.#lost ??= now
    if (now - this.#lost > BigInt(LOST_MS) * 1_000_000n) return false
    const sequencer = this.#sequencer
    this.#sequencer = null
    await sequencer?.close()
    return true
  }

  async #signAll(): Promise<void> {
    while ((await this.#sequencer?.advance()) === true);
  }

  // Whoever signs now may be about to stop as well, and have signed for the last time: so both are asked, in turn.
  async #cover({ writer, seq }: End): Promise<void> {
    const { store } = this.#options
    for (let waited = 0; this.#sequencer === null && waited < COVER_MS; waited += COVER_POLL_MS) {
      if ((await store.ordered(writer)) >= seq) return
      this.#sequencer = await elect(this.#options)
      if (this.#sequencer === null) await sleep(COVER_POLL_MS)
    }
    await this.#signAll()
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

async function elect({ store, signer, previous }: CheckpointsOptions): Promise<Sequencer | null> {
  const order = await store.order()
  if (order === null) return null
  if (previous === undefined) return Sequencer.open({ order, signer })
  const rotated = await findRotation(store, signer.verifier).catch(async (error: unknown) => {
    await order.release()
    throw error
  })
  return Sequencer.open({ order, signer, previous, ...(rotated === undefined ? {} : { rotated }) })
}

function asFailure(error: unknown): EvidenceError {
  if (error instanceof EvidenceError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const message = `the log can't be sequenced and signed (${reason}); everything is refused until the gateway is started again on a sound disk`
  return new EvidenceError('ERR_EVIDENCE_WRITE', message, { cause: error, fatal: true })
}
