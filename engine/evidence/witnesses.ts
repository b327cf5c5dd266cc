import { setTimeout as sleep } from 'node:timers/promises'
import { EvidenceError } from '../errors.ts'
import { addCheckpointText } from './add-checkpoint.ts'
import { parseCheckpoint, type Checkpoint, type SignedCheckpoint } from './checkpoint.ts'
import { cosignedAt, type CosignatureVerifier } from './cosignature.ts'
import { consistencyProof, type ReadNode } from './proof.ts'
import { noteLine, parseSignatureLines } from './signed-note.ts'
import type { SignedTree } from './sequencer.ts'

/** A witness that the log's checkpoints are sent to. */
export interface WitnessPeer {
  /** C2SP's submission prefix: `/add-checkpoint` is beneath it. */
  readonly url: string
  readonly key: CosignatureVerifier
}

export interface WitnessesOptions {
  readonly peers: readonly WitnessPeer[]
  /** Told when a witness fails for the first time, and again when it is back. Nothing else waits for it. */
  readonly onTrouble: (witness: string, trouble: string | null) => void
  /** How long one answer may take, and how long a witness that failed is left alone at most. */
  readonly patience?: { readonly answerMs: number; readonly retryMs: number }
}

/** What witnesses have signed last: `note` is the checkpoint with the log's signature and theirs. */
export interface Witnessed extends Checkpoint {
  readonly note: string
}

const PATIENCE = { answerMs: 5000, retryMs: 60_000 } as const
const FIRST_RETRY_MS = 1000
/** More than any answer of a witness takes. */
const MAX_ANSWER = 64 * 1024

interface Peer extends WitnessPeer {
  /** The size that it cosigned last, as far as is known: what the next proof starts from. */
  size: number
  troubles: number
  /** By performance.now(). */
  notBefore: number
}

/**
 * Sends each new checkpoint to the witnesses, newest first and one round at a time, and gathers what they sign, for the
 * sequencer to keep. Off the path of everything: a witness that is gone, slow or wrong costs its cosignature and no more.
 * Life: new → recall → offer… → close.
 */
export class Witnesses {
  readonly #options: WitnessesOptions
  readonly #patience: { readonly answerMs: number; readonly retryMs: number }
  readonly #peers: readonly Peer[]
  readonly #stop: AbortController = new AbortController()
  #asked: PromiseWithResolvers<void> = Promise.withResolvers()
  #offered: SignedTree | null = null
  /** What is gathered, and what of it is kept. */
  #seen: Witnessed | null = null
  #kept: Witnessed | null = null
  readonly #running: Promise<void>

  constructor(options: WitnessesOptions) {
    this.#options = options
    this.#patience = options.patience ?? PATIENCE
    this.#peers = options.peers.map((peer) => ({ ...peer, size: 0, troubles: 0, notBefore: 0 }))
    this.#running = this.#run()
  }

  get count(): number {
    return this.#peers.length
  }

  /** The newest checkpoint that a witness has signed, and that is kept. */
  get witnessed(): Witnessed | null {
    return this.#kept
  }

  /** What is to be kept in the place of what was; null: nothing new. */
  get gathered(): string | null {
    return this.#seen === null || this.#seen === this.#kept ? null : this.#seen.note
  }

  /** It is durable. */
  kept(note: string): void {
    if (this.#seen?.note === note) this.#kept = this.#seen
  }

  /** There is a new checkpoint. */
  offer(signed: SignedTree): void {
    this.#offered = signed
    this.#asked.resolve()
  }

  /** What was kept by an earlier life of this process, or by another that signed; as far as it bears a witness's signature. */
  recall(note: string): void {
    const known = parseCheckpoint(note)
    const signers = this.#peers.filter(({ key }) => known !== undefined && cosignedAt(known.note, key) !== undefined)
    if (known === undefined || signers.length === 0 || known.size <= (this.#seen?.size ?? -1)) return
    this.#seen = { origin: known.origin, size: known.size, root: known.root, note }
    this.#kept = this.#seen
    for (const peer of signers) peer.size = known.size
  }

  /** One last round for the last checkpoint, then the end. A witness that is in trouble is not waited for. */
  async close(): Promise<void> {
    await this.abandon()
    await this.#round().catch(() => {})
  }

  /** The end, once the round that is under way is over. */
  async abandon(): Promise<void> {
    this.#stop.abort()
    this.#asked.resolve()
    await this.#running
  }

  async #run(): Promise<void> {
    let waiting: number | null = null
    for (;;) {
      await this.#pause(waiting)
      if (this.#stop.signal.aborted) return
      this.#asked = Promise.withResolvers()
      // The log goes on without: what could not be read or kept is tried again.
      waiting = await this.#round().catch(() => FIRST_RETRY_MS)
    }
  }

  // A log at rest publishes nothing new; a witness that was away must get what it has missed all the same.
  async #pause(ms: number | null): Promise<void> {
    if (ms === null) return this.#asked.promise
    const timer = new AbortController()
    const elapsed = sleep(ms, undefined, { signal: timer.signal, ref: false }).catch(() => {})
    await Promise.race([this.#asked.promise, elapsed])
    timer.abort()
  }

  /** Answers after how many milliseconds somebody should be asked again; null: everybody has signed. */
  async #round(): Promise<number | null> {
    const signed = this.#offered
    const checkpoint = signed === null ? undefined : parseCheckpoint(signed.text)
    if (signed === null || checkpoint === undefined) return null
    const due = this.#peers.filter(({ notBefore }) => notBefore <= performance.now())
    const lines = await Promise.all(due.map((peer) => this.#ask(peer, checkpoint, signed)))
    const added = lines.filter((line) => line !== null)
    if (added.length > 0) this.#gather(checkpoint, added)
    const failed = this.#peers.filter(({ troubles }) => troubles > 0)
    return failed.length === 0 ? null : Math.max(1, Math.min(...failed.map(wait)))
  }

  // A second answer for the same checkpoint adds to the first; one for a newer takes its place.
  #gather({ origin, size, root, note }: SignedCheckpoint, added: readonly string[]): void {
    const own = note.signatures.map((signature) => noteLine(signature, signature.bytes)).join('')
    const before = this.#seen?.size === size ? this.#seen.note : `${note.text}\n${own}`
    const text = `${before}${added.filter((line) => !before.includes(line)).join('')}`
    this.#seen = { origin, size, root, note: text }
  }

  async #ask(peer: Peer, checkpoint: SignedCheckpoint, signed: SignedTree): Promise<string | null> {
    try {
      if (peer.size === checkpoint.size && this.#hasSigned(peer, checkpoint)) return null
      const line = await this.#exchange(peer, checkpoint, signed)
      if (peer.troubles > 0) this.#options.onTrouble(peer.key.name, null)
      Object.assign(peer, { size: checkpoint.size, troubles: 0, notBefore: 0 })
      return line
    } catch (error) {
      if (!(error instanceof EvidenceError)) this.#trouble(peer, error instanceof Error ? error.message : String(error))
      return null
    }
  }

  #hasSigned({ key }: Peer, { size }: SignedCheckpoint): boolean {
    const seen = this.#seen?.size === size ? parseCheckpoint(this.#seen.note) : undefined
    return seen !== undefined && cosignedAt(seen.note, key) !== undefined
  }

  #trouble(peer: Peer, trouble: string): void {
    if (peer.troubles === 0) this.#options.onTrouble(peer.key.name, trouble)
    const ms = Math.min(FIRST_RETRY_MS * 2 ** Math.min(peer.troubles, 16), this.#patience.retryMs)
    Object.assign(peer, { troubles: peer.troubles + 1, notBefore: performance.now() + ms })
  }

  // Twice at most: the first conflict tells which size the proof has to begin at.
  async #exchange(peer: Peer, checkpoint: SignedCheckpoint, signed: SignedTree): Promise<string> {
    const first = await this.#send(peer, checkpoint.size, signed, Math.min(peer.size, checkpoint.size))
    const size = first.status === 409 ? sizeOf(first) : undefined
    if (size !== undefined && size > checkpoint.size) {
      throw new Error(`it has cosigned ${size} records and the log has ${checkpoint.size}: this log went back`)
    }
    const answer = size === undefined ? first : await this.#send(peer, checkpoint.size, signed, size)
    if (answer.status !== 200) throw new Error(`it answered ${answer.status} ${answer.body.trim().slice(0, 200)}`)
    return this.#line(peer, checkpoint, answer.body)
  }

  async #send({ url }: Peer, size: number, { text, read }: SignedTree, old: number): Promise<Answer> {
    const body = addCheckpointText(old, await proofFrom(old, size, read), text)
    const headers = { 'content-type': 'text/plain; charset=utf-8' }
    const signal = AbortSignal.timeout(this.#patience.answerMs)
    const target = `${url.replace(/\/$/, '')}/add-checkpoint`
    const response = await fetch(target, { method: 'POST', body, headers, signal, redirect: 'error' })
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: await bounded(response) }
  }

  // Of what a witness answers, only its own signature over what it was sent counts.
  #line({ key }: Peer, { note }: SignedCheckpoint, body: string): string {
    const signatures = parseSignatureLines(body) ?? []
    const own = signatures.find((one) => cosignedAt({ text: note.text, signatures: [one] }, key) !== undefined)
    if (own === undefined) throw new Error('its answer holds no cosignature of its key over what it was sent')
    return noteLine(own, own.bytes)
  }
}

// The next checkpoint has replaced a tile of this one, or another gateway signs now: the next offer is better.
async function proofFrom(old: number, size: number, read: ReadNode): Promise<readonly Buffer[]> {
  try {
    return await consistencyProof(old, size, read)
  } catch (cause) {
    throw new EvidenceError('ERR_EVIDENCE_CLOSED', 'the tree of this checkpoint is not there any more', { cause })
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

function sizeOf({ type, body }: Answer): number | undefined {
  const size = type.startsWith('text/x.tlog.size') ? /^(\d{1,16})\n$/.exec(body)?.[1] : undefined
  return size === undefined ? undefined : Number(size)
}

function wait({ notBefore }: Peer): number {
  return notBefore - performance.now()
}

async function bounded(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > MAX_ANSWER) throw new Error(`its answer is longer than ${MAX_ANSWER} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** `log.witnessed`: what was signed, with all its signatures, so that the log itself carries them. */
export function witnessedDetail({ size, root, note }: Witnessed): { size: number; root: string; checkpoint: string } {
  return { size, root: root.toString('hex'), checkpoint: note }
}
