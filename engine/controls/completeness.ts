import { EvidenceError } from '../errors.ts'
import { GrowingTree, type StoredRecord } from '../evidence/index.ts'

/** What one run of a gateway left in the log. */
export interface WriterSpan {
  readonly writer: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly gaps: number
}

/** What shows that a report saw every record, and that none is missing between two. */
export interface Completeness {
  /** Records read: leaves 0 to `records` - 1 of the log, each once. */
  readonly records: number
  /** Leaves of the log that were not there; a report is made only of a log without. */
  readonly gaps: 0
  /** Root over the leaf hashes of the records that were read, hex: it is the checkpoint's. */
  readonly root: string
  readonly writers: readonly WriterSpan[]
  /** Records in the directory that the checkpoint doesn't cover, and the report leaves out. */
  readonly uncovered: number
}

/**
 * Follows the records of a log as they are read, and in the end says that they are all there, or throws: their leaves
 * count up from 0 without a gap, each writer's records from 1, and the tree over them has the checkpoint's root.
 */
export class CompletenessCheck {
  readonly #size: number
  readonly #root: Uint8Array
  readonly #tree: GrowingTree = new GrowingTree()
  readonly #writers = new Map<string, { firstSeq: number; lastSeq: number }>()
  #uncovered = 0

  constructor({ size, root }: { readonly size: number; readonly root: Uint8Array }) {
    this.#size = size
    this.#root = root
  }

  /** The record's leaf index where the checkpoint covers it, null where it doesn't. Throws where one is missing. */
  take({ index, leaf, record }: Pick<StoredRecord, 'index' | 'leaf' | 'record'>): number | null {
    if (index === null || index >= this.#size) {
      this.#uncovered += 1
      return null
    }
    if (index !== this.#tree.size) throw incomplete(`record ${this.#tree.size} of the log`, `record ${index} next`)
    this.#tree.append(Buffer.from(leaf, 'hex'))
    this.#tree.takeFull() // Only the root is wanted.
    const { writerId, seq } = record
    const writer = this.#writers.get(writerId)
    const expected = (writer?.lastSeq ?? 0) + 1
    if (seq !== expected) throw incomplete(`record ${expected} of ${writerId}`, `record ${seq} next`)
    this.#writers.set(writerId, { firstSeq: writer?.firstSeq ?? seq, lastSeq: seq })
    return index
  }

  /** Throws EvidenceError ERR_EVIDENCE_TAMPERED where the records are not those that were signed. */
  end(): Completeness {
    const root = this.#tree.root()
    if (this.#tree.size !== this.#size) {
      throw incomplete(`${this.#size} records, as the checkpoint says`, `${this.#tree.size}`)
    }
    if (Buffer.compare(root, this.#root) !== 0) {
      throw incomplete(`root ${Buffer.from(this.#root).toString('hex')}, as the checkpoint says`, root.toString('hex'))
    }
    const writers = [...this.#writers].map(([writer, { firstSeq, lastSeq }]) => ({
      writer,
      firstSeq,
      lastSeq,
      gaps: 0,
    }))
    return { records: this.#size, gaps: 0, root: root.toString('hex'), writers, uncovered: this.#uncovered }
  }
}

function incomplete(expected: string, found: string): EvidenceError {
  const message = `no report can be made of this log: expected ${expected}; found ${found}; run countersign evidence verify`
  return new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
}
