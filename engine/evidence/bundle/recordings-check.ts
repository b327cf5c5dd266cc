import { join } from 'node:path'
import type { EvidenceRecord } from '../decision-record.ts'
import { decodeLine } from '../line.ts'
import { NO_LEAF } from '../merkle.ts'
import { parseFrame, type ParsedFrame } from '../recording.ts'
import type { FindingList } from './finding-list.ts'
import { linesIn } from './line-stream.ts'
import { recordingName } from './manifest.ts'
import type { PayloadCheck } from './payload-check.ts'

/** A session's chain: its last frame so far, and the leaves that no record has named yet. */
interface Chain {
  index: number
  leaf: string
  named: number
  readonly waiting: Map<number, string>
}

/** One writer's frames, read as far as its records have asked. */
interface Cursor {
  readonly file: string
  readonly lines: AsyncGenerator<Buffer>
  readonly chains: Map<string, Chain>
  line: number
  seq: number
  done: boolean
}

/**
 * Holds a bundle's recordings against the records that name their frames, both in their own order, so that only what is
 * between a frame and its record is in memory.
 */
export class RecordingsCheck {
  readonly #bundle: string
  readonly #findings: FindingList
  readonly #payloads: PayloadCheck
  readonly #cursors = new Map<string, Cursor>()
  frames = 0

  constructor(bundle: string, findings: FindingList, payloads: PayloadCheck) {
    this.#bundle = bundle
    this.#findings = findings
    this.#payloads = payloads
  }

  /** The recordings that records asked for. */
  get files(): readonly string[] {
    return [...this.#cursors.values()].map(({ file }) => file)
  }

  /** A record of the selection, which may name a frame. */
  async add({ recording, session, writerId }: EvidenceRecord, file: string, line: number): Promise<void> {
    if (recording === null || session === null) return
    const cursor = this.#cursor(writerId)
    const chain = chainOf(cursor, session)
    while (chain.index < recording.frames && (await this.#read(cursor)));
    const leaf = chain.waiting.get(recording.frames)
    if (leaf !== recording.head) {
      const expected = `frame ${recording.frames} of its session, leaf ${recording.head}`
      const found = leaf === undefined ? 'no such frame' : `leaf ${leaf}`
      this.#findings.tampered(file, line, `names a frame that is not in ${cursor.file}`, expected, found)
    }
    chain.named = Math.max(chain.named, recording.frames)
    for (const index of chain.waiting.keys()) if (index <= recording.frames) chain.waiting.delete(index)
  }

  /** Once all records are in: nothing may be left that none of them names. */
  async end(): Promise<void> {
    for (const cursor of this.#cursors.values()) {
      while (await this.#read(cursor));
      for (const [session, { index, named }] of cursor.chains) {
        if (index <= named) continue
        const expected = `${named} frames of session ${session}, as its records say`
        this.#findings.tampered(cursor.file, null, 'frames that no record here names', expected, `${index}`)
      }
    }
  }

  async close(): Promise<void> {
    for (const { lines } of this.#cursors.values()) await lines.return(undefined)
  }

  #cursor(writer: string): Cursor {
    const known = this.#cursors.get(writer)
    if (known !== undefined) return known
    const file = recordingName(writer)
    const lines = linesIn(join(this.#bundle, file))
    const fresh: Cursor = { file, lines, chains: new Map(), line: 0, seq: 0, done: false }
    this.#cursors.set(writer, fresh)
    return fresh
  }

  async #read(cursor: Cursor): Promise<boolean> {
    if (cursor.done) return false
    const { value, done } = await cursor.lines.next()
    cursor.done = done === true
    if (done === true) return false
    cursor.line += 1
    this.frames += 1
    this.#frame(cursor, value)
    return true
  }

  #frame(cursor: Cursor, bytes: Buffer): void {
    const line = decodeLine('frame', bytes)
    const frame = line.kind === 'entry' ? parseFrame(line.entry, line.payload) : undefined
    if (line.kind === 'broken' || frame === undefined) {
      const [expected, found] =
        line.kind === 'broken' ? [line.expected, line.found] : ['the fields of a frame', 'others']
      return this.#findings.tampered(cursor.file, cursor.line, 'the line was changed', expected, found)
    }
    const chain = chainOf(cursor, frame.session)
    this.#chain(cursor, chain, frame)
    chain.index = frame.index
    chain.leaf = line.leaf
    chain.waiting.set(frame.index, line.leaf)
    cursor.seq = frame.seq
  }

  #chain(cursor: Cursor, chain: Chain, frame: ParsedFrame): void {
    const { file, line } = cursor
    const follows = frame.index === chain.index + 1 && frame.prev === chain.leaf && frame.seq > cursor.seq
    if (!follows || recordingName(frame.writerId) !== file) {
      const expected = `frame ${chain.index + 1} of session ${frame.session}, after leaf ${chain.leaf}`
      this.#findings.tampered(file, line, 'does not follow the frame before it', expected, `frame ${frame.index}`)
    }
    this.#payloads.found('frame', frame.writerId, frame.seq, frame.payload, { file, line })
  }
}

function chainOf(cursor: Cursor, session: string): Chain {
  const known = cursor.chains.get(session)
  if (known !== undefined) return known
  const fresh: Chain = { index: 0, leaf: NO_LEAF, named: 0, waiting: new Map() }
  cursor.chains.set(session, fresh)
  return fresh
}
