import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, signCheckpoint, type Checkpoint, type SignedCheckpoint } from './checkpoint.ts'
import type { RecordDraft } from './decision-record.ts'
import { EMPTY_ROOT, GrowingTree, nodeHash, TILE_WIDTH } from './merkle.ts'
import { consistencyProof, provesConsistency, rangeRoot, type ReadNode } from './proof.ts'
import { keyAgain, rotationDraft, type RecordPlace } from './rotation.ts'
import type { Run, Sequence } from './sequence.ts'
import { signedBy, type NoteSigner, type NoteVerifier } from './signed-note.ts'
import type { LeafSource, OrderStore } from './store.ts'
import { nodesOf, tilePath, tilesOf } from './tile.ts'
import { byAge } from './writers.ts'

/** Records that one checkpoint takes in at most: what a pass holds in memory stays bounded however far behind it is. */
const MAX_PASS = 100_000

export interface SequencerOptions {
  /** Let go of by `close`. */
  readonly order: OrderStore
  readonly signer: NoteSigner
  /** The key that signed until now, where `signer` is to take over from it. */
  readonly previous?: NoteSigner
  /** The key.rotated to `signer` that stands in the records already, though nothing may have been signed with it yet. */
  readonly rotated?: RecordPlace
}

/** A checkpoint's text, and the tree under it. */
export interface SignedTree {
  readonly text: string
  readonly read: ReadNode
}

/**
 * Puts the durable records of all writers of a store into one order, and signs the root of the tree over them. Each step
 * is durable before the next: records, their places in the sequence, tiles, checkpoint. So a crash between any two leaves
 * a checkpoint that all it stands on is there for, and what is beyond it is made again. The store sees to it that there
 * is one sequencer at a time, the caller that no two calls overlap.
 */
export class Sequencer {
  readonly #options: SequencerOptions
  readonly #tree: GrowingTree = new GrowingTree()
  readonly #readers = new Map<string, LeafSource>()
  /** Partial tiles in the store that the next checkpoint's replace. */
  #partial: string[] = []
  /** Writers that a later one of their instance has followed, and that have been read since. */
  readonly #ended: Set<string> = new Set()
  /** Where the new key takes over: a checkpoint over this record is signed with it, any before with the previous one. */
  #rotated: RecordPlace | null
  /** Whether the last checkpoint is the previous key's. */
  #lastByPrevious = false
  #last: Checkpoint
  #text: string | null = null

  private constructor(options: SequencerOptions) {
    this.#options = options
    this.#rotated = options.rotated ?? null
    this.#last = { origin: options.signer.verifier.name, size: 0, root: this.#tree.root() }
  }

  /**
   * Derives the tree again from the records, in the order that the sequence tells, and holds it against what was signed.
   * Throws EvidenceError ERR_EVIDENCE_TAMPERED where the store is not what a crash, at any point, leaves.
   */
  static async open(options: SequencerOptions): Promise<Sequencer> {
    const sequencer = new Sequencer(options)
    try {
      await sequencer.#open()
      return sequencer
    } catch (error) {
      await sequencer.close()
      throw error
    }
  }

  /** The last checkpoint that is published. */
  get checkpoint(): Checkpoint {
    return this.#last
  }

  /** The last checkpoint as it was published, and the nodes of its tree, for witnesses; null before the first. */
  get signed(): SignedTree | null {
    return this.#text === null ? null : { text: this.#text, read: this.#nodes(this.#last.size) }
  }

  /** What witnesses have signed last; undefined: nothing yet. */
  witnessed(): Promise<string | undefined> {
    return this.#options.order.document('witnessed')
  }

  /** Not while `advance` is under way. */
  async keepWitnessed(text: string): Promise<void> {
    await this.#options.order.publish('witnessed', text)
  }

  /**
   * The record with which the new key takes over from the previous one; null where it has, or nothing was signed yet.
   * Whoever writes it says so with `rotateAt`, before it can be durable.
   */
  rotation(): RecordDraft | null {
    const { signer, previous } = this.#options
    if (previous === undefined || !this.#lastByPrevious || this.#rotated !== null) return null
    return rotationDraft(this.#last, previous, signer)
  }

  rotateAt(place: RecordPlace): void {
    this.#rotated = place
  }

  /** Takes in what has become durable; answers whether there was anything new. After it has thrown, open another. */
  async advance(): Promise<boolean> {
    const runs = await this.#readNew()
    if (runs.length === 0 && this.#tree.size === this.#last.size) return false
    const { order } = this.#options
    await order.steps(async () => {
      if (runs.length > 0) await order.extend(runs)
      const partial = await this.#writeTiles()
      await this.#sign()
      await order.removeTiles(this.#partial.filter((path) => !partial.includes(path)))
      this.#partial = partial
    })
    return true
  }

  async close(): Promise<void> {
    await this.#options.order.release()
  }

  async #open(): Promise<void> {
    const { order } = this.#options
    const signed = await this.#readCheckpoint()
    const sequence = await order.sequence()
    if (sequence.broken !== null) {
      const { line, expected } = sequence.broken
      throw tampered(`${order.locate('sequence')}:${line}`, expected, 'another line')
    }
    await this.#replay(sequence, signed)
    this.#last = signed ?? this.#last
    this.#refuseOldKey(sequence)
    await this.#checkTiles()
    await order.resume(sequence.runs)
  }

  async #replay({ runs, size }: Sequence, signed: Checkpoint | null): Promise<void> {
    const target = signed?.size ?? 0
    const where = this.#options.order.locate('checkpoint')
    if (size < target) throw tampered(where, `${target} records in the sequence`, `${size}`)
    const check = (): void => {
      if (signed === null || this.#tree.size !== target || this.#tree.root().equals(signed.root)) return
      throw tampered(
        where,
        `root ${signed.root.toString('base64')} of ${target} records`,
        'another root of what is here',
      )
    }
    check()
    for (const run of runs) {
      const reader = this.#reader(run.writer)
      await reader.read(run.count, (leaf) => {
        this.#tree.append(leaf)
        if (this.#tree.size <= target) this.#tree.takeFull() // On disk already.
        check()
      })
      if (reader.seq !== run.seq + run.count - 1) {
        throw tampered(`records/${run.writer}.ndjson`, `${run.seq + run.count - 1} records`, `${reader.seq}`)
      }
    }
  }

  // The old key's checkpoint covers a key.rotated to the new one: that key was in use before, and a range is one range.
  #refuseOldKey({ runs }: Sequence): void {
    const rotated = this.#rotated
    if (rotated === null || !this.#lastByPrevious) return
    const run = runs.find((each) => each.writer === rotated.writer && rotated.seq < each.seq + each.count)
    if (run === undefined || run.index + rotated.seq - run.seq >= this.#last.size) return
    throw keyAgain(`records/${rotated.writer}.ndjson:${rotated.seq}`)
  }

  // From the tiles alone: the root is the signed one, and each full tile is what the tile above says of it.
  async #checkTiles(): Promise<void> {
    const { size, root } = this.#last
    const where = this.#options.order.locate('tile')
    const read = this.#nodes(size)
    if (size > 0 && !(await rangeRoot(0, size, read)).equals(root)) throw notOfRoot(where)
    for (const tile of tilesOf(size)) {
      if (tile.width < TILE_WIDTH) {
        this.#partial.push(tilePath(tile))
        continue
      }
      const height = tile.level * 8 + 7
      const own = nodeHash(await read(height, tile.index * 2), await read(height, tile.index * 2 + 1))
      if (!own.equals(await read(height + 1, tile.index))) throw notOfRoot(`${where}/${tilePath(tile)}`)
    }
  }

  async #readNew(): Promise<readonly Run[]> {
    const runs: Run[] = []
    let limit = MAX_PASS
    for (const writer of await this.#growing()) {
      const reader = this.#reader(writer)
      const [index, seq] = [this.#tree.size, reader.seq + 1]
      await reader.read(limit, (leaf) => this.#tree.append(leaf))
      const count = reader.seq + 1 - seq
      if (count > 0) runs.push({ index, writer, seq, count })
      limit -= count
      if (limit === 0) break
    }
    return runs
  }

  // Of each instance only the newest writer can still grow; older ones are read until nothing more comes.
  async #growing(): Promise<readonly string[]> {
    const writers = await this.#options.order.writers()
    const growing = writers.toSorted(byAge).filter(({ id }) => !this.#ended.has(id))
    const newest = new Map(growing.map(({ instance, id }) => [instance, id]))
    for (const { id, instance } of growing) if (newest.get(instance) !== id) this.#ended.add(id)
    return growing.map(({ id }) => id)
  }

  async #writeTiles(): Promise<string[]> {
    const partial = this.#tree.partial()
    const tiles = [...this.#tree.takeFull(), ...partial]
    await this.#options.order.writeTiles(tiles.map((tile) => ({ path: tilePath(tile), hashes: tile.hashes })))
    return partial.map(tilePath)
  }

  // What is signed is what the stored tiles say, and only if they prove that it continues what was signed before.
  async #sign(): Promise<void> {
    const { order } = this.#options
    const signer = this.#signer()
    const stored = (await this.#readCheckpoint()) ?? { size: 0, root: EMPTY_ROOT }
    const next: Checkpoint = { origin: signer.verifier.name, size: this.#tree.size, root: this.#tree.root() }
    const proof = await consistencyProof(stored.size, next.size, this.#nodes(next.size))
    if (stored.size !== this.#last.size || !provesConsistency(stored, next, proof)) {
      const expected = `a checkpoint of ${this.#last.size} records that the next continues`
      throw tampered(order.locate('checkpoint'), expected, `one of ${stored.size} that it does not`)
    }
    const text = signCheckpoint(next, signer)
    await order.publish('checkpoint', text)
    this.#lastByPrevious = signer !== this.#options.signer
    this.#last = next
    this.#text = text
  }

  #signer(): NoteSigner {
    const { signer, previous } = this.#options
    if (previous === undefined || !this.#lastByPrevious) return signer
    const taken = this.#rotated !== null && this.#reader(this.#rotated.writer).seq >= this.#rotated.seq
    return taken ? signer : previous
  }

  async #readCheckpoint(): Promise<Checkpoint | null> {
    const { order, signer, previous } = this.#options
    const text = await order.document('checkpoint')
    if (text === undefined) return null
    const checkpoint = parseCheckpoint(text)
    const by = [signer, previous].find((key) => key !== undefined && isOf(checkpoint, key.verifier))
    if (checkpoint === undefined || by === undefined) {
      const expected = `a checkpoint of ${signer.verifier.name}, signed with the configured key`
      throw tampered(order.locate('checkpoint'), expected, 'none such')
    }
    this.#lastByPrevious = by === previous
    this.#text = text
    return checkpoint
  }

  #nodes(size: number): ReadNode {
    const { order } = this.#options
    return nodesOf((path) => order.tile(path), order.locate('tile'), size)
  }

  #reader(writer: string): LeafSource {
    const reader = this.#readers.get(writer) ?? this.#options.order.leaves(writer)
    this.#readers.set(writer, reader)
    return reader
  }
}

function isOf(checkpoint: SignedCheckpoint | undefined, key: NoteVerifier): boolean {
  return checkpoint?.origin === key.name && signedBy(checkpoint.note, key)
}

function notOfRoot(where: string): EvidenceError {
  return tampered(where, 'tiles of the signed root', 'other hashes')
}

function tampered(where: string, expected: string, found: string): EvidenceError {
  const message = `${where}: expected ${expected}; found ${found}; keep a copy and run countersign evidence verify`
  return new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
}
