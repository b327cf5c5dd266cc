import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkpointText, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts'
import { isCount, isLeaf, type EvidenceRecord } from './decision-record.ts'
import { tilesIn } from './file-store.ts'
import type { Finding, Place, Report, Severity } from './finding.ts'
import { GrowingTree, type Tile } from './merkle.ts'
import { inclusionProof, provesInclusion } from './proof.ts'
import { parseSequence, type Run, type Sequence } from './sequence.ts'
import { signedBy, type NoteVerifier } from './signed-note.ts'
import { nodesIn, tilePath, tilesOf } from './tile.ts'

/** What an auditor brings along: what the holder of the directory can't change. */
export interface Trust {
  readonly logKey?: NoteVerifier
  /** An earlier checkpoint (its text), kept elsewhere: what is here must continue it. */
  readonly since?: string
  /** A record's id or a decision's: how it is proved is told. */
  readonly explain?: string
}

/** How one record is bound to the signed root. */
export interface Explanation {
  readonly record: string
  readonly event: string
  readonly leaf: string
  readonly index: number
  readonly proof: readonly string[]
  readonly proved: boolean
}

export interface LogReport {
  readonly origin: string | null
  /** Records under the last checkpoint; -1 without one. */
  readonly size: number
  readonly root: string | null
  /** `unchecked`: no key was given to check it with. */
  readonly signature: 'verified' | 'unchecked' | 'wrong'
  /** Records that are here and that no checkpoint covers yet. */
  readonly unsigned: number
  readonly since: 'consistent' | 'inconsistent' | 'not given'
  readonly explanations: readonly Explanation[]
}

interface Pin {
  readonly size: number
  readonly root: string
  readonly where: Omit<Place, 'line'> & { readonly line: number | null }
  readonly message: string
}

/**
 * Holds the tree over the records of a directory against what was signed. `read` comes before the records are scanned (a
 * running gateway goes on meanwhile), `add` with each record, `judge` after the last. Keeps 32 bytes a record.
 */
export class LogCheck {
  readonly #directory: string
  readonly #trust: Trust
  readonly #report: Report
  readonly #leaves = new Map<string, Buffer[]>()
  readonly #pins: Pin[] = []
  readonly #asked: { readonly record: EvidenceRecord; readonly leaf: string }[] = []
  readonly #tiles = new Map<string, string>()
  #sequence: Sequence = parseSequence('')
  #checkpoint: SignedCheckpoint | null = null
  #signature: LogReport['signature'] = 'unchecked'
  #since: LogReport['since'] = 'not given'
  #records = 0
  #present = false

  constructor(directory: string, trust: Trust, report: Report) {
    this.#directory = directory
    this.#trust = trust
    this.#report = report
  }

  async read(): Promise<void> {
    const parts = await this.#list()
    this.#present = parts.length > 0
    if (!this.#present) return
    const checkpoint = await this.#text('checkpoint')
    this.#sequence = parseSequence((await this.#text('sequence.ndjson')) ?? '')
    const { broken } = this.#sequence
    if (broken !== null)
      this.#tampered('sequence.ndjson', broken.line, 'the order was changed', broken.expected, 'another')
    if (checkpoint === null) this.#noCheckpoint()
    else this.#readCheckpoint(checkpoint)
    this.#readSince()
  }

  add(record: EvidenceRecord, place: Place, leaf: string): void {
    this.#records += 1
    const { size, root } = record.detail ?? {}
    if (record.event === 'log.checkpoint' && isCount(size) && isLeaf(root)) {
      this.#pins.push({ size, root, where: place, message: 'names a root that the log never had' })
    }
    if (record.id === this.#trust.explain || (record.decision !== null && record.decision === this.#trust.explain)) {
      this.#asked.push({ record, leaf })
    }
    const leaves = this.#leaves.get(record.writerId) ?? []
    leaves[record.seq - 1] = Buffer.from(leaf, 'hex')
    this.#leaves.set(record.writerId, leaves)
  }

  async judge(running: boolean): Promise<LogReport | null> {
    if (!this.#present) return this.#absent()
    const tiles = await this.#derive(running)
    for (const pin of this.#pins) this.#pin(pin, running)
    if (tiles !== null && !running) this.#judgeTiles(tiles)
    const unsigned = this.#records - (this.#checkpoint?.size ?? 0)
    if (unsigned > 0 && !running) this.#unsigned(unsigned)
    return {
      origin: this.#checkpoint?.origin ?? null,
      size: this.#checkpoint?.size ?? -1,
      root: this.#checkpoint?.root.toString('base64') ?? null,
      signature: this.#signature,
      unsigned: Math.max(0, unsigned),
      since: this.#since,
      explanations: await this.#explain(),
    }
  }

  #absent(): null {
    const { logKey, since } = this.#trust
    if (logKey === undefined && since === undefined) return null
    this.#note('tampered', 'log/checkpoint', null, 'the log is gone', 'a signed log, since a key was given', 'none')
    return null
  }

  #noCheckpoint(): void {
    const severity = this.#trust.logKey === undefined && this.#trust.since === undefined ? 'incomplete' : 'tampered'
    this.#note(severity, 'log/checkpoint', null, 'the checkpoint is gone', 'a signed checkpoint', 'none')
  }

  #readCheckpoint(text: string): void {
    const { logKey } = this.#trust
    const parsed = parseCheckpoint(text)
    if (parsed === undefined || parsed.note.signatures.length !== 1) {
      this.#tampered('checkpoint', null, 'not a checkpoint', 'a signed note with one signature', 'other text')
      return
    }
    this.#checkpoint = parsed
    const { root, size } = parsed
    const where = { file: 'log/checkpoint', line: null }
    this.#pins.push({ size, root: root.toString('hex'), where, message: 'the records are not those that were signed' })
    if (logKey === undefined) return
    const signed = parsed.origin === logKey.name && signedBy(parsed.note, logKey)
    this.#signature = signed ? 'verified' : 'wrong'
    if (signed) return
    const found = parsed.note.signatures.map(({ name, id }) => `${name}+${id.toString('hex')}`).join(', ')
    const expected = `${logKey.name}+${logKey.id.toString('hex')}`
    this.#tampered('checkpoint', null, 'signed with another key, or changed', expected, found)
  }

  #readSince(): void {
    const { since, logKey } = this.#trust
    if (since === undefined) return
    const earlier = parseCheckpoint(since)
    const where = { file: 'log/checkpoint', line: null }
    this.#since = 'inconsistent'
    if (earlier === undefined || (logKey !== undefined && !signedBy(earlier.note, logKey))) {
      const expected = 'a checkpoint signed with the log’s key'
      this.#report({
        severity: 'cannot',
        ...where,
        message: '--since is no such checkpoint',
        expected,
        found: 'other text',
      })
      return
    }
    this.#since = 'consistent'
    const now = this.#checkpoint
    if (now === null || earlier.origin !== now.origin || earlier.size > now.size) {
      this.#since = 'inconsistent'
      const found = now === null ? 'none' : checkpointText(now).split('\n').slice(0, 2).join(' ')
      this.#tampered(
        'checkpoint',
        null,
        'the log went back',
        `at least ${earlier.size} records of ${earlier.origin}`,
        found,
      )
      return
    }
    const message = 'the log was forked: it does not continue the earlier checkpoint'
    this.#pins.push({ size: earlier.size, root: earlier.root.toString('hex'), where, message })
  }

  // Grows the tree in the signed order, and takes its root wherever something names one.
  async #derive(running: boolean): Promise<readonly Tile[] | null> {
    const tree = new GrowingTree()
    const wanted = new Set(this.#pins.map(({ size }) => size))
    const tiles: Tile[] = []
    const signed = this.#checkpoint?.size ?? 0
    const took = (): void => {
      if (wanted.has(tree.size)) this.#roots.set(tree.size, tree.root().toString('hex'))
      tiles.push(...tree.takeFull())
      if (tree.size === signed) tiles.push(...tree.partial())
    }
    took()
    for (const run of this.#sequence.runs) {
      for (let seq = run.seq; seq < run.seq + run.count; seq += 1) {
        const leaf = this.#leaves.get(run.writer)?.[seq - 1]
        if (leaf === undefined) {
          this.#cut(run, seq)
          return null
        }
        tree.append(leaf)
        took()
      }
    }
    if (running) return null
    if (this.#sequence.torn)
      this.#note(
        'incomplete',
        'log/sequence.ndjson',
        null,
        'its end was never written',
        'a newline',
        'an unfinished line',
      )
    await this.#readTiles()
    return tiles
  }

  readonly #roots = new Map<number, string>()

  #cut(run: Run, seq: number): void {
    const file = `records/${run.writer}.ndjson`
    const expected = `record ${seq}, leaf ${run.index + seq - run.seq} of the log`
    const finding = { message: 'a record of the log is gone or illegible: cut off, taken out, or changed', expected }
    this.#report({ severity: 'tampered', file, line: seq, ...finding, found: 'none' })
  }

  #pin({ size, root, where, message }: Pin, running: boolean): void {
    const found = this.#roots.get(size)
    if (found === root || (found === undefined && running && size > this.#sequence.size)) return
    if (message.startsWith('the log was forked')) this.#since = 'inconsistent'
    const short = 'not as many records in order'
    this.#report({
      severity: 'tampered',
      ...where,
      message,
      expected: `root ${root} of ${size}`,
      found: found ?? short,
    })
  }

  #judgeTiles(derived: readonly Tile[]): void {
    const size = this.#checkpoint?.size ?? 0
    const right = new Map(derived.map((tile) => [tilePath(tile), tile.hashes.toString('hex')]))
    for (const tile of tilesOf(size)) {
      const path = tilePath(tile)
      const found = this.#tiles.get(path)
      this.#tiles.delete(path)
      if (found === right.get(path)) continue
      const message = found === undefined ? 'a tile is gone' : 'a tile was changed'
      this.#tampered(
        `tile/${path}`,
        null,
        message,
        'the hashes of its records',
        found === undefined ? 'no such file' : 'others',
      )
    }
    for (const [path, hashes] of this.#tiles) this.#stray(path, hashes, right)
  }

  // A crash may leave tiles of a checkpoint that was never signed, or that the next had replaced.
  #stray(path: string, hashes: string, right: ReadonlyMap<string, string>): void {
    const full = right.get(path.replace(/\.p\/\d+$/, '')) ?? [...right].find(([other]) => isSameTile(other, path))?.[1]
    if (full?.startsWith(hashes) === true && hashes.length > 0) return
    if (this.#records > (this.#checkpoint?.size ?? 0)) return
    this.#tampered(`tile/${path}`, null, 'a tile that no checkpoint has', 'tiles of the signed size', 'one more')
  }

  #unsigned(records: number): void {
    const message = 'records that no checkpoint covers'
    const found = `${records} more, by a crash or a gateway without the log’s key`
    this.#note('incomplete', 'log/checkpoint', null, message, 'a checkpoint over all records', found)
  }

  async #explain(): Promise<readonly Explanation[]> {
    const { explain } = this.#trust
    if (explain === undefined) return []
    if (this.#asked.length === 0) {
      this.#note(
        'cannot',
        'records',
        null,
        'nothing to explain',
        `a record or decision ${explain}`,
        'none in this directory',
      )
    }
    return Promise.all(this.#asked.map(({ record, leaf }) => this.#explainRecord(record, leaf)))
  }

  async #explainRecord(record: EvidenceRecord, leaf: string): Promise<Explanation> {
    const { id, event, writerId, seq } = record
    const run = this.#sequence.runs.find((each) => each.writer === writerId && seq < each.seq + each.count)
    const index = run === undefined ? -1 : run.index + seq - run.seq
    const size = this.#checkpoint?.size ?? 0
    const about = { record: id, event, leaf, index }
    if (index < 0 || index >= size || this.#checkpoint === null) return { ...about, proof: [], proved: false }
    try {
      const proof = await inclusionProof(index, size, nodesIn(tilesIn(this.#directory), size))
      const proved = provesInclusion(Buffer.from(leaf, 'hex'), index, size, proof, this.#checkpoint.root)
      return { ...about, proof: proof.map((hash) => hash.toString('hex')), proved }
    } catch {
      return { ...about, proof: [], proved: false } // A tile is gone, which is a finding of its own.
    }
  }

  async #list(): Promise<readonly string[]> {
    const names = await readdir(this.#directory)
    if (!names.includes('log')) return []
    const parts = await readdir(join(this.#directory, 'log'))
    for (const part of parts) {
      if (['checkpoint', 'sequence.ndjson', 'tile'].includes(part) || part.endsWith('.new')) continue
      this.#note(
        'cannot',
        `log/${part}`,
        null,
        'not a file of the log',
        'checkpoint, sequence.ndjson or tile',
        'another name',
      )
    }
    return parts
  }

  async #readTiles(): Promise<void> {
    const folder = tilesIn(this.#directory)
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || entry.name.endsWith('.new')) continue
      const path = join(entry.parentPath, entry.name)
      this.#tiles.set(path.slice(folder.length + 1), (await readFile(path)).toString('hex'))
    }
  }

  async #text(name: string): Promise<string | null> {
    try {
      return await readFile(join(this.#directory, 'log', name), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
  }

  #tampered(file: string, line: number | null, message: string, expected: string, found: string): void {
    this.#note('tampered', `log/${file}`, line, message, expected, found)
  }

  #note(severity: Severity, file: string, line: number | null, message: string, expected: string, found: string): void {
    const finding: Finding = { severity, file, line, message, expected, found }
    this.#report(finding)
  }
}

function isSameTile(one: string, other: string): boolean {
  return one.replace(/\.p\/\d+$/, '') === other.replace(/\.p\/\d+$/, '')
}
