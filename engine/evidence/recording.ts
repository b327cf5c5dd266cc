import { hash, createHash, type Hash } from 'node:crypto'
import type { JsonObject, JsonValue } from '../access-request.ts'
import { EvidenceError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import {
  asText,
  isCount,
  isLeaf,
  isTime,
  type MaskCount,
  type Payload,
  type PayloadDigest,
  type RecordingHead,
} from './decision-record.ts'
import { encodeLine, type Line } from './line.ts'
import { NO_LEAF } from './merkle.ts'
import { saltPayload, type Salts } from './payload.ts'

/** One step of a session as it is replayed: the masked view only. */
export interface RecordingFrame {
  readonly dir: 'client' | 'upstream'
  /** `sql.query`, `sql.rows`, `http.request`, `note`, … */
  readonly kind: string
  readonly decision: string | null
  readonly body: JsonValue
  readonly masks?: readonly MaskCount[]
}

/** A writer's whole recording file: how many frames, and SHA-256 over their leaf hashes in file order, hex, a line each. */
export interface RecordingTotal {
  readonly frames: number
  readonly digest: string
}

/** Running form of RecordingTotal; the writer and the verifier fold the same leaves. */
export class FrameFold {
  readonly #hash: Hash = createHash('sha256')
  /** Leaves that are not in the hash yet: each call of it costs more than a few hundred bytes do. */
  #pending = ''
  #frames = 0

  add(leaf: string): void {
    this.#pending += `${leaf}\n`
    this.#frames += 1
    if (this.#pending.length > FOLDED_AT_ONCE) this.#take()
  }

  get frames(): number {
    return this.#frames
  }

  total(): RecordingTotal {
    this.#take()
    return { frames: this.#frames, digest: this.#hash.copy().digest('hex') }
  }

  #take(): void {
    this.#hash.update(this.#pending)
    this.#pending = ''
  }
}

const FOLDED_AT_ONCE = 4096

interface SessionRecording {
  readonly startedNs: bigint
  newest: RecordingHead
  durable: RecordingHead
  /** Frames of the last record that named this recording. */
  named: number
  /** Heads whose batch was not on disk when last asked; one a batch, so two at most. */
  readonly underway: { readonly batch: number; readonly head: RecordingHead }[]
}

const NOTHING: RecordingHead = { frames: 0, head: NO_LEAF }

/** The recordings of one writer: one chain a session, all in one file. Lives as long as the writer. */
export class Recordings {
  readonly #writerId: string
  readonly #salts: Salts
  readonly #sessions = new Map<string, SessionRecording>()
  readonly #fold = new FrameFold()

  constructor(writerId: string, salts: Salts) {
    this.#writerId = writerId
    this.#salts = salts
  }

  /** The frame as the next line of the file. Nothing changes before `added` is told. */
  encode(session: string, frame: RecordingFrame, time: { readonly ts: string; readonly ns: bigint }): Line {
    const recording = this.#sessions.get(session)
    const newest = recording?.newest ?? NOTHING
    const place = {
      writer_id: this.#writerId,
      seq: this.#fold.frames + 1,
      session,
      i: newest.frames + 1,
      prev: newest.head,
      ts: time.ts,
      t_ms: Number((time.ns - (recording?.startedNs ?? time.ns)) / 1_000_000n),
    }
    return encodeFrame(place, frame, this.#salts.next())
  }

  added(session: string, leaf: string, batch: number, ns: bigint): void {
    const recording = this.#session(session, ns)
    const head = { frames: recording.newest.frames + 1, head: leaf }
    recording.newest = head
    if (recording.underway.at(-1)?.batch === batch) recording.underway.pop()
    recording.underway.push({ batch, head })
    this.#fold.add(leaf)
  }

  /** How many frames the session has, durable or not. */
  frames(session: string): number {
    return this.#sessions.get(session)?.newest.frames ?? 0
  }

  /** Leaf hash of the session's last frame, durable or not; 64 zeros when it has none. */
  head(session: string): string {
    return this.#sessions.get(session)?.newest.head ?? NO_LEAF
  }

  /**
   * What the session's next record names: frames that are on disk already, and only when there are new ones. Never frames
   * still underway: after a crash the record might be there and they not, which would read like a cut recording.
   */
  unnamed(session: string, durableBatch: number): RecordingHead | undefined {
    const recording = this.#sessions.get(session)
    if (recording === undefined) return undefined
    let next = recording.underway[0]
    while (next !== undefined && next.batch <= durableBatch) {
      recording.durable = next.head
      recording.underway.shift()
      next = recording.underway[0]
    }
    return recording.durable.frames > recording.named ? recording.durable : undefined
  }

  named(session: string, head: RecordingHead): void {
    const recording = this.#sessions.get(session)
    if (recording !== undefined) recording.named = head.frames
  }

  end(session: string): void {
    this.#sessions.delete(session)
  }

  total(): RecordingTotal {
    return this.#fold.total()
  }

  #session(id: string, startedNs: bigint): SessionRecording {
    const known = this.#sessions.get(id)
    if (known !== undefined) return known
    const fresh: SessionRecording = { startedNs, newest: NOTHING, durable: NOTHING, named: 0, underway: [] }
    this.#sessions.set(id, fresh)
    return fresh
  }
}

// A body that is too large is recorded by its digest; one that is no JSON at all is refused by canonicalJson again.
function encodeFrame(place: FramePlace, frame: RecordingFrame, salt: string): Line {
  try {
    const salted = saltPayload(frame.body, salt)
    return encodeLine('frame', frameEntry(place, frame, { payload: salted.digest }), salted)
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error
    const text = canonicalJson(frame.body)
    const digest = { body_bytes: Buffer.byteLength(text), body_digest: hash('sha256', text, 'hex'), truncated: true }
    return encodeLine('frame', frameEntry(place, frame, digest))
  }
}

/** What the log itself puts into every frame. */
interface FramePlace {
  readonly writer_id: string
  readonly seq: number
  readonly session: string
  readonly i: number
  readonly prev: string
  readonly ts: string
  readonly t_ms: number
}

interface FrameBody {
  readonly payload?: PayloadDigest
  readonly body_bytes?: number
  readonly body_digest?: string
  readonly truncated?: boolean
}

/** All of a frame, its members in their canonical order. */
function frameEntry(place: FramePlace, { dir, kind, decision, masks }: RecordingFrame, body: FrameBody): object {
  return {
    body_bytes: body.body_bytes,
    body_digest: body.body_digest,
    decision,
    dir,
    i: place.i,
    kind,
    masks,
    payload: body.payload,
    prev: place.prev,
    seq: place.seq,
    session: place.session,
    t_ms: place.t_ms,
    truncated: body.truncated,
    ts: place.ts,
    writer_id: place.writer_id,
  }
}

/** A frame as it is read back; only what verification judges. */
export interface ParsedFrame {
  readonly writerId: string
  readonly seq: number
  readonly session: string
  readonly index: number
  readonly prev: string
  readonly ts: string
  readonly decision: string | null
  readonly payload: Payload
  readonly fields: JsonObject
}

/** Judges the parsed JSON of a frame; undefined when it has not the shape of one. */
export function parseFrame(fields: JsonObject, payload: Payload): ParsedFrame | undefined {
  const { writer_id: writerId, seq, session, i: index, prev, ts } = fields
  if (typeof writerId !== 'string' || typeof session !== 'string' || !isTime(ts)) return undefined
  if (!isCount(seq) || !isCount(index) || !isLeaf(prev)) return undefined
  return { writerId, seq, session, index, prev, ts, decision: asText(fields.decision), payload, fields }
}
