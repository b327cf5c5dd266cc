import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EvidenceError } from '../errors.ts'
import { parseCheckpoint, signCheckpoint, type Checkpoint } from './checkpoint.ts'
import {
  append,
  checkpointFile,
  createWith,
  logIn,
  publish,
  recordsIn,
  sequenceFile,
  tilesIn,
  type AppendFile,
  type FileSystem,
} from './file-store.ts'
import { LeafReader } from './leaf-reader.ts'
import { EMPTY_ROOT, GrowingTree, nodeHash, TILE_WIDTH } from './merkle.ts'
import { consistencyProof, provesConsistency, rangeRoot } from './proof.ts'
import { joined, parseSequence, runLine, type Run, type Sequence } from './sequence.ts'
import { signedBy, type NoteSigner } from './signed-note.ts'
import { nodesIn, tilePath, tilesOf } from './tile.ts'
import { byAge, parseWriterFile } from './writers.ts'

/** Records that one checkpoint takes in at most: what a pass holds in memory stays bounded however far behind it is. */
const MAX_PASS = 100_000

export interface SequencerOptions {
  readonly directory: string
  readonly files: FileSystem
  readonly signer: NoteSigner
}

/**
 * Puts the durable records of all writers of a directory into one order, and signs the root of the tree over them. Each
 * step is durable before the next: records, their places in the sequence, tiles, checkpoint. So a crash between any two
 * leaves a checkpoint that all it stands on is there for, and what is beyond it is made again. The caller sees to it
 * that a directory has one sequencer at a time, and that no two calls overlap.
 */
export class Sequencer {
  readonly #options: SequencerOptions
  readonly #tree: GrowingTree = new GrowingTree()
  readonly #readers = new Map<string, LeafReader>()
  /** Partial tiles on disk that the next checkpoint's replace. */
  #partial: string[] = []
  /** Writers that a later one of their instance has followed, and that have been read since. */
  readonly #ended: Set<string> = new Set()
  #sequence: AppendFile | null = null
  #last: Checkpoint

  private constructor(options: SequencerOptions) {
    this.#options = options
    this.#last = { origin: options.signer.verifier.name, size: 0, root: this.#tree.root() }
  }

  /**
   * Derives the tree again from the records, in the order that the sequence file tells, and holds it against what was
   * signed. Throws EvidenceError ERR_EVIDENCE_TAMPERED where the directory is not what a crash, at any point, leaves.
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

  /** Takes in what has become durable; answers whether there was anything new. After it has thrown, open another. */
  async advance(): Promise<boolean> {
    const runs = await this.#readNew()
    if (runs.length === 0 && this.#tree.size === this.#last.size) return false
    if (runs.length > 0) await append(this.#sequenced(), runs.map(runLine).join(''))
    const partial = await this.#writeTiles()
    await this.#sign()
    for (const path of this.#partial) if (!partial.includes(path)) await this.#options.files.remove(this.#tile(path))
    this.#partial = partial
    return true
  }

  async close(): Promise<void> {
    await this.#sequence?.close()
  }

  async #open(): Promise<void> {
    const { directory, files } = this.#options
    await files.makeDirectory(tilesIn(directory))
    await files.syncDirectory(logIn(directory))
    const signed = await this.#readCheckpoint()
    const sequence = parseSequence((await readIfThere(sequenceFile(directory))) ?? '')
    if (sequence.broken !== null) {
      const { line, expected } = sequence.broken
      throw tampered(`${sequenceFile(directory)}:${line}`, expected, 'another line')
    }
    await this.#replay(sequence, signed)
    this.#last = signed ?? this.#last
    await this.#checkTiles()
    await this.#rewriteSequence(sequence)
  }

  async #replay({ runs, size }: Sequence, signed: Checkpoint | null): Promise<void> {
    const target = signed?.size ?? 0
    const where = checkpointFile(this.#options.directory)
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

  // From the tiles alone: the root is the signed one, and each full tile is what the tile above says of it.
  async #checkTiles(): Promise<void> {
    const { size, root } = this.#last
    const read = nodesIn(tilesIn(this.#options.directory), size)
    if (size > 0 && !(await rangeRoot(0, size, read)).equals(root)) throw notOfRoot(tilesIn(this.#options.directory))
    for (const tile of tilesOf(size)) {
      if (tile.width < TILE_WIDTH) {
        this.#partial.push(tilePath(tile))
        continue
      }
      const height = tile.level * 8 + 7
      const own = nodeHash(await read(height, tile.index * 2), await read(height, tile.index * 2 + 1))
      if (!own.equals(await read(height + 1, tile.index)))
        throw notOfRoot(join(tilesIn(this.#options.directory), tilePath(tile)))
    }
  }

  async #rewriteSequence({ runs }: Sequence): Promise<void> {
    const { directory, files } = this.#options
    const path = sequenceFile(directory)
    this.#sequence = await createWith(files, `${path}.new`, joined(runs).map(runLine).join(''))
    await files.rename(`${path}.new`, path)
    await files.syncDirectory(dirname(path))
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
    const names = await readdir(recordsIn(this.#options.directory))
    const writers = names.map(parseWriterFile).filter((writer) => writer !== undefined)
    const growing = writers.toSorted(byAge).filter(({ id }) => !this.#ended.has(id))
    const newest = new Map(growing.map(({ instance, id }) => [instance, id]))
    for (const { id, instance } of growing) if (newest.get(instance) !== id) this.#ended.add(id)
    return growing.map(({ id }) => id)
  }

  async #writeTiles(): Promise<string[]> {
    const partial = this.#tree.partial()
    for (const tile of [...this.#tree.takeFull(), ...partial]) {
      const path = this.#tile(tilePath(tile))
      await this.#options.files.makeDirectory(dirname(path))
      await publish(this.#options.files, path, tile.hashes)
    }
    return partial.map(tilePath)
  }

  // What is signed is what the tiles on disk say, and only if they prove that it continues what was signed before.
  async #sign(): Promise<void> {
    const { directory, signer, files } = this.#options
    const onDisk = (await this.#readCheckpoint()) ?? { size: 0, root: EMPTY_ROOT }
    const next: Checkpoint = { origin: signer.verifier.name, size: this.#tree.size, root: this.#tree.root() }
    const proof = await consistencyProof(onDisk.size, next.size, nodesIn(tilesIn(directory), next.size))
    if (onDisk.size !== this.#last.size || !provesConsistency(onDisk, next, proof)) {
      const expected = `a checkpoint of ${this.#last.size} records that the next continues`
      throw tampered(checkpointFile(directory), expected, `one of ${onDisk.size} that it does not`)
    }
    await publish(files, checkpointFile(directory), signCheckpoint(next, signer))
    this.#last = next
  }

  async #readCheckpoint(): Promise<Checkpoint | null> {
    const path = checkpointFile(this.#options.directory)
    const text = await readIfThere(path)
    if (text === undefined) return null
    const checkpoint = parseCheckpoint(text)
    const { verifier } = this.#options.signer
    if (checkpoint !== undefined && checkpoint.origin === verifier.name && signedBy(checkpoint.note, verifier)) {
      return checkpoint
    }
    throw tampered(path, `a checkpoint of ${verifier.name}, signed with the configured key`, 'none such')
  }

  #sequenced(): AppendFile {
    if (this.#sequence !== null) return this.#sequence
    throw new EvidenceError('ERR_EVIDENCE_CLOSED', 'the sequencer is closed')
  }

  #reader(writer: string): LeafReader {
    const reader = this.#readers.get(writer) ?? new LeafReader(this.#options.directory, writer)
    this.#readers.set(writer, reader)
    return reader
  }

  #tile(path: string): string {
    return join(tilesIn(this.#options.directory), path)
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function notOfRoot(where: string): EvidenceError {
  return tampered(where, 'tiles of the signed root', 'other hashes')
}

function tampered(where: string, expected: string, found: string): EvidenceError {
  const message = `${where}: expected ${expected}; found ${found}; keep a copy and run countersign evidence verify`
  return new EvidenceError('ERR_EVIDENCE_TAMPERED', message, { fatal: true })
}
