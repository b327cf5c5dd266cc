import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { EvidenceStore, LinePlace, PlacedLine } from '../evidence/index.ts'
import type { Ingest } from './ingest.ts'
import { makeAnew } from './tables.ts'

interface Followed {
  readonly n: number
  readonly id: string
  place: LinePlace
  /** Where its last record begins. */
  lastAt: number
}

/** Brings the tables up to evidence, writer by writer, a read of each at a time. */
export class Follower {
  readonly #store: EvidenceStore
  readonly #database: DatabaseSync
  readonly #ingest: Ingest
  readonly #followed = new Map<string, Followed>()
  /** Writers that a later one of their instance has followed, and that have been read to their end since. */
  readonly #ended = new Set<string>()

  constructor(store: EvidenceStore, database: DatabaseSync, ingest: Ingest) {
    this.#store = store
    this.#database = database
    this.#ingest = ingest
    for (const { n, id, seq, at, last_at: lastAt } of database.prepare('SELECT * FROM writers').all()) {
      const place = { seq: Number(seq), at: Number(at) }
      this.#followed.set(String(id), { n: Number(n), id: String(id), place, lastAt: Number(lastAt) })
    }
  }

  /** Takes in what is new; answers how many records that were. Lets questions be answered in between. */
  async advance(): Promise<number> {
    let taken = 0
    for (let news = true; news;) {
      news = false
      const writers = await this.#store.writers()
      for (const { id, instance } of writers) {
        if (this.#ended.has(id)) continue
        const isOld = writers.some((other) => other.instance === instance && other.id > id)
        const lines = await this.#store.recordsAfter(id, this.#of(id).place)
        if (lines.length === 0 && isOld) this.#ended.add(id)
        if (lines.length === 0) continue
        this.#take(this.#of(id), lines)
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
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO writers (id, seq, at, last_at) VALUES (?, 0, 0, 0)')
      .run(id)
    const followed = { n: Number(lastInsertRowid), id, place: { seq: 0, at: 0 }, lastAt: 0 }
    this.#followed.set(id, followed)
    return followed
  }

  /** All of it or nothing; what fails ends the thread, and another begins where the tables stand. */
  #take(writer: Followed, lines: readonly PlacedLine[]): void {
    const last = lines.at(-1)
    if (last === undefined) return
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      for (const line of lines) this.#ingest.take(writer, line)
      const { seq, at } = last.after
      this.#database
        .prepare('UPDATE writers SET seq = ?, at = ?, last_at = ? WHERE n = ?')
        .run(seq, at, last.before.at, writer.n)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
    writer.place = last.after
    writer.lastAt = last.before.at
  }
}

/**
 * Empties tables that were made from other evidence than this: a copy in the place of the original, or a disk that lost the
 * end of a file.
 */
export async function requireSameEvidence(store: EvidenceStore, database: DatabaseSync): Promise<void> {
  const there = new Set((await store.writers()).map(({ id }) => id))
  for (const { id, seq, at, last_at: lastAt } of database.prepare('SELECT * FROM writers WHERE seq > 0').all()) {
    const place = { seq: Number(seq) - 1, at: Number(lastAt) }
    const [last] = there.has(String(id)) ? await store.recordsAfter(String(id), place) : []
    if (last !== undefined && last.after.seq === seq && last.after.at === at) continue
    makeAnew(database)
    return
  }
}
