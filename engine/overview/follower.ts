import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { EvidenceSource, FrameStretch, LinePlace, PlacedLine } from '../evidence/index.ts'
import type { Ingest } from './ingest.ts'
import { makeAnew } from './tables.ts'

const NOWHERE: LinePlace = { seq: 0, at: 0 }

interface Followed {
  readonly n: number
  readonly id: string
  place: LinePlace
  /** Where its last record begins. */
  lastAt: number
  /** How far its recording was looked at. */
  frames: LinePlace
}

/** Brings the tables up to evidence, writer by writer, a read of each at a time. */
export class Follower {
  readonly #source: EvidenceSource
  readonly #database: DatabaseSync
  readonly #ingest: Ingest
  readonly #followed = new Map<string, Followed>()
  /** Writers that a later one of their instance has followed, and that have been read to their end since. */
  readonly #ended = new Set<string>()

  constructor(source: EvidenceSource, database: DatabaseSync, ingest: Ingest) {
    this.#source = source
    this.#database = database
    this.#ingest = ingest
    for (const row of database.prepare('SELECT * FROM writers').all()) {
      const { n, id, seq, at, last_at: lastAt, frame_seq: frameSeq, frame_at: frameAt } = row
      const place = { seq: Number(seq), at: Number(at) }
      const frames = { seq: Number(frameSeq), at: Number(frameAt) }
      this.#followed.set(String(id), { n: Number(n), id: String(id), place, lastAt: Number(lastAt), frames })
    }
  }

  /** Takes in what is new; answers how many records that were. Lets questions be answered in between. */
  async advance(): Promise<number> {
    let taken = 0
    for (let news = true; news;) {
      news = false
      const writers = await this.#source.writers()
      for (const { id, instance } of writers) {
        if (this.#ended.has(id)) continue
        const isOld = writers.some((other) => other.instance === instance && other.id > id)
        const lines = await this.#source.linesAfter('record', id, this.#of(id).place)
        const frames = await this.#source.framesAfter(id, this.#of(id).frames)
        if (lines.length === 0 && frames === null && isOld) this.#ended.add(id)
        if (lines.length === 0 && frames === null) continue
        this.#take(this.#of(id), lines, frames)
        taken += lines.length
        news = true
        await setImmediate()
      }
    }
    return taken
  }

  #of(id: string): Followed {
    const known = this.#followed.get(id)
    if (known !== undefined) return known
    const { lastInsertRowid } = this.#database.prepare('INSERT INTO writers (id) VALUES (?)').run(id)
    const followed = { n: Number(lastInsertRowid), id, place: NOWHERE, lastAt: 0, frames: NOWHERE }
    this.#followed.set(id, followed)
    return followed
  }

  /** All of it or nothing; what fails ends the thread, and another begins where the tables stand. */
  #take(writer: Followed, lines: readonly PlacedLine[], stretch: FrameStretch | null): void {
    const last = lines.at(-1)
    const place = last?.after ?? writer.place
    const lastAt = last?.before.at ?? writer.lastAt
    const frames = stretch?.after ?? writer.frames
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      for (const line of lines) this.#ingest.take(writer, line)
      if (stretch !== null) this.#ingest.recorded(writer, stretch)
      this.#database
        .prepare('UPDATE writers SET seq = ?, at = ?, last_at = ?, frame_seq = ?, frame_at = ? WHERE n = ?')
        .run(place.seq, place.at, lastAt, frames.seq, frames.at, writer.n)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
    Object.assign(writer, { place, lastAt, frames })
  }
}

/**
 * Empties tables that were made from other evidence than this: a copy in the place of the original, or a disk that lost the
 * end of a file.
 */
export async function requireSameEvidence(source: EvidenceSource, database: DatabaseSync): Promise<void> {
  const there = new Set((await source.writers()).map(({ id }) => id))
  for (const { id, seq, at, last_at: lastAt } of database.prepare('SELECT * FROM writers WHERE seq > 0').all()) {
    const place = { seq: Number(seq) - 1, at: Number(lastAt) }
    const [last] = there.has(String(id)) ? await source.linesAfter('record', String(id), place) : []
    if (last !== undefined && last.after.seq === seq && last.after.at === at) continue
    makeAnew(database)
    return
  }
}
