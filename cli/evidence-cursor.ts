import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FollowedRecord } from '../engine/evidence/index.ts'
import { EvidenceError } from '../engine/index.ts'
import { UsageError } from './exit.ts'

interface Place {
  /** Which log. */
  readonly origin: string
  /** The last record that was taken, and its leaf: a log in which another stands there is another log. */
  readonly index: number
  readonly leaf: string
}

/** How far a reader of the log has come, in a file of its own; nowhere but in memory without one. */
export class Cursor {
  readonly #path: string | undefined
  #place: Place | null

  private constructor(path: string | undefined, place: Place | null) {
    this.#path = path
    this.#place = place
  }

  /** A file that isn't there is a reader that has seen nothing. */
  static async open(path: string | undefined): Promise<Cursor> {
    if (path === undefined) return new Cursor(path, null)
    const text = await readFile(path, 'utf8').catch(ifGone)
    const place = text === undefined ? null : parsePlace(text)
    if (place === undefined) throw new UsageError(`${path}: expected a cursor as tail writes it; found other text`)
    return new Cursor(path, place)
  }

  /** The first leaf that was not taken. */
  get next(): number {
    return this.#place === null ? 0 : this.#place.index + 1
  }

  /** Where reading has to begin: the last record that was taken is read again, to see that it is the same. */
  readFrom(start: number): number {
    return this.#place === null ? start : Math.min(start, this.#place.index)
  }

  /** Throws EvidenceError ERR_EVIDENCE_CURSOR when the log isn't the one that the cursor was in. */
  compare(directory: string, { index, leaf }: FollowedRecord): void {
    if (this.#place === null || index !== this.#place.index || leaf === this.#place.leaf) return
    const message = `${directory}: expected leaf ${this.#place.leaf} at index ${index}, as the cursor has it; found ${leaf}: this is another log, or it was written anew; run countersign evidence verify --since`
    throw new EvidenceError('ERR_EVIDENCE_CURSOR', message)
  }

  /** These were taken. Durable when it resolves. */
  async advance(records: readonly FollowedRecord[], origin: string, start: number): Promise<void> {
    const last = records.at(-1)
    if (last === undefined || last.index < start || last.index < this.next) return
    this.#place = { origin, index: last.index, leaf: last.leaf }
    if (this.#path !== undefined) await replace(this.#path, `${JSON.stringify(this.#place)}\n`)
  }
}

async function replace(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function parsePlace(text: string): Place | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const [origin, index, leaf] = ['origin', 'index', 'leaf'].map((name): unknown => Reflect.get(Object(value), name))
    if (typeof origin !== 'string' || typeof leaf !== 'string') return undefined
    return typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? { origin, index, leaf } : undefined
  } catch {
    return undefined
  }
}

function ifGone(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
