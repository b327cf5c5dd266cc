import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkpointText, parseCheckpoint, type SignedCheckpoint } from './checkpoint.ts'
import type { CosignatureVerifier } from './cosignature.ts'
import { asText, isCount, isLeaf, type EvidenceRecord } from './decision-record.ts'
import { sequenceFile, tilesIn } from './file-store.ts'
import type { Finding, Place, Report, Severity } from './finding.ts'
import { KeyHistory, type KeyRange } from './key-history.ts'
import { LineCursor } from './line-cursor.ts'
import { GrowingTree } from './merkle.ts'
import { inclusionProof, provesInclusion } from './proof.ts'
import { RootCheck, type Pin } from './root-check.ts'
import { RunOrder, type Run } from './sequence.ts'
import type { NoteVerifier } from './signed-note.ts'
import { nodesIn } from './tile.ts'
import { TileCheck } from './tile-check.ts'
import { WitnessCheck, type WitnessReport } from './witness-check.ts'

/** What an auditor brings along: what the holder of the directory can't change. */
export interface Trust {
  /** Any of the keys that the log has had: rotations lead from it to the others. */
  readonly logKey?: NoteVerifier
  readonly witnessKeys?: readonly CosignatureVerifier[]
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
  /** Of the witnesses that were asked about, those that have signed a tree with this record in it. */
  readonly witnesses: readonly string[]
}

export interface LogReport {
  readonly origin: string | null
  /** Records under the last checkpoint; -1 without one. */
  readonly size: number
  readonly root: string | null
  /** `unchecked`: no key was given to check it with. */
  readonly signature: 'verified' | 'unchecked' | 'wrong'
  /** The keys that the log has had, oldest first, as far as they are known. */
  readonly keys: readonly KeyRange[]
  /** Records that are here and that no checkpoint covers yet. */
  readonly unsigned: number
  readonly since: 'consistent' | 'inconsistent' | 'not given'
  /** One for each witness's key that was given. */
  readonly witnesses: readonly WitnessReport[]
  /** Records that none of these has signed, and when the oldest of them was recorded; null where no key was given. */
  readonly unwitnessed: { readonly records: number; readonly since: string | null } | null
  readonly explanations: readonly Explanation[]
}

/** Records that are made of a checkpoint: where there is one, there was a log. */
const NAMES_LOG: ReadonlySet<string> = new Set(['log.checkpoint', 'log.witnessed', 'key.rotated'])
const PARTS: ReadonlySet<string> = new Set(['checkpoint', 'sequence.ndjson', 'tile', 'witnessed'])
const CHECKPOINT = { file: 'log/checkpoint', line: null } as const

/**
 * Holds the tree over the records of a directory against what was signed, as the records come by in the log's order:
 * `read`, then for each run of `runs` `at`, `add` and `grow` for each record, then `add` for those that no run has, then
 * `judge`. What it keeps does not grow with the records.
 */
export class LogCheck {
  readonly #directory: string
  readonly #trust: Trust
  readonly #report: Report
  readonly #tree: GrowingTree = new GrowingTree()
  readonly #roots: RootCheck
  readonly #keys: KeyHistory
  readonly #witness: WitnessCheck
  readonly #asked: { readonly record: EvidenceRecord; readonly leaf: string; readonly index: number }[] = []
  #tiles: TileCheck
  #present = false
  #running = false
  #checkpoint: SignedCheckpoint | null = null
  #since: SignedCheckpoint | null = null
  #witnessed: SignedCheckpoint | null = null
  #inconsistent = false
  /** The record that comes next is this leaf; null: no run has it. */
  #index: number | null = null
  #cutOff = false
  #records = 0
  #named: Place | null = null
  /** The largest size that a witness has signed, as known before any record. */
  #witnessedSize = -1
  #firstUnwitnessed: string | null = null

  constructor(directory: string, trust: Trust, report: Report) {
    this.#directory = directory
    this.#trust = trust
    this.#report = report
    this.#keys = new KeyHistory(report)
    this.#witness = new WitnessCheck(trust.witnessKeys ?? [])
    this.#roots = new RootCheck(directory, (pin, found) => this.#pinned(pin, found))
    this.#tiles = new TileCheck(directory, 0, report)
  }

  /** Before any record, since a running gateway goes on meanwhile: what is signed now is there later too. */
  async read(running: boolean): Promise<void> {
    this.#running = running
    this.#present = await this.#list()
    if (!this.#present) return
    const witnessed = await this.#text('witnessed') // Before the checkpoint, which is never behind it.
    const checkpoint = await this.#text('checkpoint')
    if (checkpoint === null) this.#noCheckpoint()
    else this.#readCheckpoint(checkpoint)
    const size = this.#checkpoint?.size ?? 0
    this.#tiles = new TileCheck(this.#directory, size, this.#report)
    this.#roots.signed(size)
    if (witnessed !== null) this.#readWitnessed(witnessed)
    this.#readSince()
    this.#witnessedSize = this.#witness.size
  }

  /** The order of the leaves, as far as it can be believed. */
  async *runs(): AsyncGenerator<Run> {
    if (!this.#present || !(await exists(sequenceFile(this.#directory)))) return
    const cursor = new LineCursor(sequenceFile(this.#directory))
    const order = new RunOrder()
    for (;;) {
      const line = cursor.next() ?? ((await cursor.fill()) ? cursor.next() : undefined)
      if (line === undefined) break
      const run = order.take(line.toString('latin1'))
      if (typeof run === 'string') {
        this.#tampered('sequence.ndjson', cursor.lines, 'the order was changed', run, 'another')
        return
      }
      yield run
    }
    if (this.#running || (await cursor.end()).tail === null) return
    const finding = { message: 'its end was never written', expected: 'a newline', found: 'an unfinished line' }
    this.#report({ severity: 'incomplete', file: 'log/sequence.ndjson', line: null, ...finding })
  }

  /** The next record is this leaf. */
  at(index: number | null): void {
    this.#index = index
  }

  add(record: EvidenceRecord, place: Place, leaf: string): void {
    const index = this.#index ?? this.#records
    this.#records += 1
    const { explain } = this.#trust
    if (explain !== undefined && (record.id === explain || record.decision === explain)) {
      this.#asked.push({ record, leaf, index: this.#index ?? -1 })
    }
    if (index >= this.#witnessedSize) this.#firstUnwitnessed ??= record.ts
    if (record.event === 'key.compromised') this.#keys.compromised(record, place)
    if (!NAMES_LOG.has(record.event)) return
    this.#named ??= place
    if (record.event === 'key.rotated' && this.#keys.rotated(record, place, index) === null) return
    if (record.event === 'log.witnessed' && !this.#readNote(record, place)) return
    this.#name(record, place)
  }

  /** The record that was added last is the tree's next leaf. */
  async grow(leaf: string): Promise<void> {
    if (this.#cutOff) return
    this.#tree.append(Buffer.from(leaf, 'hex'))
    await this.#grown()
  }

  /** What should be this run's record `seq` isn't there, or is no record: the tree ends here. */
  cut({ writer, index, seq: first }: Run, seq: number): void {
    if (this.#cutOff) return
    this.#cutOff = true
    const message = 'a record of the log is gone or illegible: cut off, taken out, or changed'
    const expected = `record ${seq}, leaf ${index + seq - first} of the log`
    const file = `records/${writer}.ndjson`
    this.#report({ severity: 'tampered', file, line: seq, message, expected, found: 'none' })
  }

  /** Once all records are in. */
  async judge(): Promise<LogReport | null> {
    if (!this.#present) return this.#absent()
    if (this.#tree.size === 0) await this.#grown()
    await this.#roots.end()
    const signature = this.#judgeSignatures()
    const unsigned = Math.max(0, this.#records - (this.#checkpoint?.size ?? 0))
    if (!this.#running && !this.#cutOff) await this.#tiles.strays(unsigned > 0)
    if (unsigned > 0 && !this.#running) this.#unsigned(unsigned)
    this.#judgeWitnesses()
    return {
      origin: this.#checkpoint?.origin ?? null,
      size: this.#checkpoint?.size ?? -1,
      root: this.#checkpoint?.root.toString('base64') ?? null,
      signature,
      keys: this.#keys.ranges(this.#trust.logKey),
      unsigned,
      since: this.#trust.since === undefined ? 'not given' : this.#inconsistent ? 'inconsistent' : 'consistent',
      witnesses: this.#witness.reports(),
      unwitnessed: this.#unwitnessed(),
      explanations: await this.#explain(),
    }
  }

  async #grown(): Promise<void> {
    await this.#roots.grown(this.#tree)
    for (const tile of this.#tree.takeFull()) await this.#tiles.derived(tile)
    if (this.#tree.size !== this.#checkpoint?.size || this.#running) return
    for (const tile of this.#tree.partial()) await this.#tiles.derived(tile)
  }

  #absent(): null {
    const { logKey, since, witnessKeys = [] } = this.#trust
    const named = this.#named === null ? null : `what ${this.#named.file}:${this.#named.line} names`
    const given = logKey !== undefined || since !== undefined || witnessKeys.length > 0
    if (named === null && !given) return null
    const expected = named ?? 'a signed log, since a key or a checkpoint was given'
    this.#note('tampered', 'log/checkpoint', null, 'the log is gone', expected, 'none')
    return null
  }

  #noCheckpoint(): void {
    const { logKey, since, witnessKeys = [] } = this.#trust
    const given = logKey !== undefined || since !== undefined || witnessKeys.length > 0
    const severity = given ? 'tampered' : 'incomplete'
    this.#note(severity, 'log/checkpoint', null, 'the checkpoint is gone', 'a signed checkpoint', 'none')
  }

  #readCheckpoint(text: string): void {
    const parsed = parseCheckpoint(text)
    if (parsed === undefined || parsed.note.signatures.length !== 1) {
      this.#tampered('checkpoint', null, 'not a checkpoint', 'a signed note with one signature', 'other text')
      return
    }
    this.#checkpoint = parsed
    this.#await(parsed, CHECKPOINT, 'the records are not those that were signed')
  }

  #readWitnessed(text: string): void {
    const file = 'log/witnessed'
    const witnessed = this.#witness.read(text)
    if (witnessed === undefined) {
      this.#tampered('witnessed', null, 'not a checkpoint', 'a signed note', 'other text')
      return
    }
    this.#witnessed = witnessed
    for (const name of this.#witness.forged(witnessed)) {
      const message = 'a witness’s name over a signature that is not its own'
      this.#tampered('witnessed', null, message, `a signature by ${name}`, 'another')
    }
    if (witnessed.size <= (this.#checkpoint?.size ?? 0)) {
      this.#await(witnessed, { file, line: null }, 'the records are not those that a witness signed')
    } else this.#wentBack({ file, line: null }, witnessed.size, 'a witness signed')
  }

  #readSince(): void {
    const { since } = this.#trust
    if (since === undefined) return
    const earlier = this.#witness.read(since)
    const now = this.#checkpoint
    if (earlier === undefined) return
    this.#since = earlier
    if (now !== null && earlier.origin === now.origin && earlier.size <= now.size) {
      this.#await(earlier, CHECKPOINT, 'the log was forked: it does not continue the earlier checkpoint')
      return
    }
    this.#inconsistent = true
    const found = now === null ? 'none' : checkpointText(now).split('\n').slice(0, 2).join(' ')
    this.#tampered(
      'checkpoint',
      null,
      'the log went back',
      `at least ${earlier.size} records of ${earlier.origin}`,
      found,
    )
  }

  /** log.witnessed: a note in a record, which says what the record says. */
  #readNote({ detail }: EvidenceRecord, place: Place): boolean {
    const note = this.#witness.read(asText(detail?.checkpoint) ?? '')
    if (note !== undefined && note.size === detail?.size && note.root.toString('hex') === detail.root) return true
    this.#report({
      severity: 'tampered',
      ...place,
      message: 'not what a witness signed',
      expected: 'the checkpoint of its size and root',
      found: 'another',
    })
    return false
  }

  #name({ detail }: EvidenceRecord, place: Place): void {
    const { size, root } = detail ?? {}
    if (!this.#present) return
    if (!isCount(size) || !isLeaf(root)) {
      const finding = { message: 'names no root of the log', expected: 'size and root', found: 'others' }
      this.#report({ severity: 'tampered', ...place, ...finding })
    } else if (size <= (this.#checkpoint?.size ?? 0)) {
      this.#roots.pin({ size, root, where: place, message: 'names a root that the log never had' })
    } else if (this.#checkpoint !== null) this.#wentBack(place, size, 'this record names')
  }

  // A name is written once the checkpoint is published; while a gateway runs, it may be younger than the one we read.
  #wentBack(where: Pick<Finding, 'file' | 'line'>, size: number, who: string): void {
    if (this.#running) return
    const message = `the log went back: ${who} a later checkpoint`
    const finding = {
      message,
      expected: `a checkpoint of at least ${size} records`,
      found: `${this.#checkpoint?.size ?? 0}`,
    }
    this.#report({ severity: 'tampered', ...where, ...finding })
  }

  #await({ size, root }: SignedCheckpoint, where: Pick<Finding, 'file' | 'line'>, message: string): void {
    this.#roots.expect({ size, root: root.toString('hex'), where, message })
  }

  #pinned({ size, root, where, message }: Pin, found: string | null): void {
    if (found === null && this.#running) return // It has not been sequenced when we read the order.
    if (message.startsWith('the log was forked')) this.#inconsistent = true
    const expected = `root ${root} of ${size}`
    this.#report({ severity: 'tampered', ...where, message, expected, found: found ?? 'not as many records in order' })
  }

  #judgeSignatures(): LogReport['signature'] {
    const { logKey } = this.#trust
    this.#keys.end(logKey)
    this.#judgeSince()
    if (this.#witnessed !== null) this.#signature(this.#witnessed, 'witnessed')
    return this.#checkpoint === null ? 'unchecked' : this.#signature(this.#checkpoint, 'checkpoint')
  }

  #signature(checkpoint: SignedCheckpoint, file: string): LogReport['signature'] {
    const judged = this.#keys.judge(checkpoint, this.#trust.logKey)
    if (judged.kind === 'wrong') this.#tampered(file, null, judged.message, judged.expected, judged.found)
    const from = this.#keys.untrustedFrom(checkpoint)
    if (from === null || this.#witness.add(checkpoint) || this.#isWitnessed(checkpoint)) return judged.kind
    const message = `signed with a key that was compromised from ${from} records on`
    this.#tampered(file, null, message, 'a witness’s signature, or one of a later key', 'neither')
    return 'wrong'
  }

  // The checkpoint itself has the log's signature alone; what a witness signed of it stands beside.
  #isWitnessed({ size, root }: SignedCheckpoint): boolean {
    const beside = this.#witnessed
    return beside?.size === size && beside.root.equals(root) && this.#witness.add(beside)
  }

  #judgeSince(): void {
    if (this.#trust.since === undefined) return
    const earlier = this.#since
    const witnessed = earlier !== null && this.#witness.add(earlier)
    const judged = earlier === null ? null : this.#keys.judge(earlier, this.#trust.logKey)
    const untrusted = earlier === null ? null : this.#keys.untrustedFrom(earlier)
    if (witnessed || (judged !== null && judged.kind !== 'wrong' && untrusted === null)) return
    this.#inconsistent = true
    const expected = 'a checkpoint signed with the log’s key, or by a witness that is known'
    this.#note('cannot', 'log/checkpoint', null, '--since is no such checkpoint', expected, 'other text')
  }

  #judgeWitnesses(): void {
    if (!this.#witness.isAsked || this.#witness.size >= 0) return
    const expected = 'a signature by a witness whose key was given'
    if (this.#witnessed === null) {
      this.#note('incomplete', 'log/witnessed', null, 'no witness has signed this log', expected, 'none')
    } else this.#tampered('witnessed', null, 'only other witnesses have signed', expected, 'others’')
  }

  #unwitnessed(): LogReport['unwitnessed'] {
    if (!this.#witness.isAsked) return null
    const records = Math.max(0, this.#records - Math.max(0, this.#witness.size))
    return { records, since: records === 0 ? null : this.#firstUnwitnessed }
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
      const expected = `a record or decision ${explain}`
      this.#note('cannot', 'records', null, 'nothing to explain', expected, 'none in this directory')
    }
    return Promise.all(this.#asked.map(({ record, leaf, index }) => this.#explainRecord(record, leaf, index)))
  }

  async #explainRecord({ id, event }: EvidenceRecord, leaf: string, index: number): Promise<Explanation> {
    const size = this.#checkpoint?.size ?? 0
    const witnesses = this.#witness.reports().filter((each) => each.size > index && index >= 0)
    const about = { record: id, event, leaf, index, witnesses: witnesses.map(({ key }) => key) }
    if (index < 0 || index >= size || this.#checkpoint === null) return { ...about, proof: [], proved: false }
    try {
      const proof = await inclusionProof(index, size, nodesIn(tilesIn(this.#directory), size))
      const proved = provesInclusion(Buffer.from(leaf, 'hex'), index, size, proof, this.#checkpoint.root)
      return { ...about, proof: proof.map((hash) => hash.toString('hex')), proved }
    } catch {
      return { ...about, proof: [], proved: false } // A tile is gone, which is a finding of its own.
    }
  }

  async #list(): Promise<boolean> {
    const names = await readdir(this.#directory)
    if (!names.includes('log')) return false
    const parts = await readdir(join(this.#directory, 'log'))
    for (const part of parts) {
      if (PARTS.has(part) || part.endsWith('.new')) continue
      const expected = [...PARTS].join(', ')
      this.#note('cannot', `log/${part}`, null, 'not a file of the log', expected, 'another name')
    }
    return parts.length > 0
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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
