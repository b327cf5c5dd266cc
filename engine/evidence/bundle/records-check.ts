import { createHash, type Hash } from 'node:crypto'
import { join, relative } from 'node:path'
import { canonicalJson } from '../canonical-json.ts'
import { asText, isIntent, parseRecord, type EvidenceRecord } from '../decision-record.ts'
import { KeyHistory } from '../key-history.ts'
import type { FindingList } from './finding-list.ts'
import { contextLine, parseIndexedLine } from './indexed-line.ts'
import { linesIn, UnevenFile } from './line-stream.ts'
import { FILES, type Predicate } from './manifest.ts'
import { MultiproofError, multiproofRoot, type ProvedLeaf } from './multiproof.ts'
import { OcsfMapper } from './ocsf.ts'
import { PayloadCheck } from './payload-check.ts'
import { isFiltered, isWithin, Selection } from './query.ts'
import { RecordingsCheck } from './recordings-check.ts'
import { isContext, isInRange } from './scope.ts'
import { Tally } from './tally.ts'

/** A line that was read back: where it stands and what it holds. */
interface Entry {
  readonly file: string
  readonly line: number
  readonly index: number
  readonly leaf: string
  readonly record: EvidenceRecord
  readonly bytes: Buffer
}

/** Nothing after it can be judged; the finding is made. */
class Stopped extends Error {}

/**
 * Derives the root again from a bundle's records, their context and the hashes between, and with it all that follows from
 * the records: whether they are what was asked for, their chains, their recordings, and what other files must say. One
 * pass, a hash a level and what is open.
 */
export class RecordsCheck {
  readonly tally: Tally = new Tally()
  readonly recordings: RecordingsCheck
  /** The keys that the log has had, as its records tell. */
  readonly keys: KeyHistory
  context = 0
  readonly #bundle: string
  readonly #predicate: Predicate
  readonly #findings: FindingList
  readonly #selection: Selection
  readonly #mapper = new OcsfMapper()
  readonly #ocsf: Hash = createHash('sha256')
  readonly #payloads: PayloadCheck
  /** Per writer: its last record so far. */
  readonly #chains = new Map<string, { readonly seq: number; readonly leaf: string }>()
  readonly #granted = new Set<string>()
  readonly #used = new Map<string, string>()
  readonly #neighbours = new Map<number, string>()
  #expected = -1

  constructor(bundle: string, predicate: Predicate, findings: FindingList) {
    this.#bundle = bundle
    this.#predicate = predicate
    this.#findings = findings
    this.#selection = new Selection(predicate.query)
    this.#expected = predicate.range?.first ?? -1
    this.keys = new KeyHistory((finding) => findings.note(finding))
    this.#payloads = new PayloadCheck(findings)
    this.recordings = new RecordingsCheck(bundle, findings, this.#payloads)
  }

  /** SHA-256 of the ocsf.ndjson that these records make, once `run` has been. */
  get ocsf(): string {
    return this.#ocsf.copy().digest('hex')
  }

  /** Whether all of it could be read; what is derived from a part would tell of nothing. */
  async run(): Promise<boolean> {
    const hashes = this.#hashes()
    const leaves = this.#leaves()
    try {
      const root = await multiproofRoot(this.#predicate.log.size, leaves, hashes)
      this.#judgeRoot(root)
      this.#judgeEnds()
      await this.recordings.end()
      this.#payloads.judge()
      return true
    } catch (error) {
      this.#stopped(error)
      return false
    } finally {
      await hashes.return(undefined)
      await leaves.return(undefined)
      await this.recordings.close()
    }
  }

  #stopped(error: unknown): void {
    if (error instanceof MultiproofError) return this.#unproved(error.message)
    if (error instanceof UnevenFile) {
      const { file, line, message } = error
      return this.#findings.tampered(relative(this.#bundle, file), line, 'the line was changed', 'whole lines', message)
    }
    if (!(error instanceof Stopped)) throw error
  }

  #judgeRoot(root: Buffer): void {
    const found = root.toString('base64')
    if (found !== this.#predicate.log.root) this.#unproved(`root ${found}`)
  }

  #unproved(found: string): void {
    const { size, root } = this.#predicate.log
    const message = 'the records do not lead to the signed root: one is gone, was put in, or stands elsewhere'
    this.#findings.tampered(FILES.hashes, null, message, `root ${root} of ${size}`, found)
  }

  async *#leaves(): AsyncGenerator<ProvedLeaf> {
    const [records, context] = [this.#entries(FILES.records), this.#entries(FILES.context)]
    try {
      let [record, beside] = [await next(records), await next(context)]
      while (record !== undefined || beside !== undefined) {
        const isRecord = beside === undefined || (record !== undefined && record.index <= beside.index)
        const entry = isRecord ? record : beside
        if (entry === undefined) return
        if (isRecord) await this.#record(entry)
        else this.#beside(entry)
        yield { index: entry.index, leaf: Buffer.from(entry.leaf, 'hex') }
        if (isRecord) record = await next(records)
        else beside = await next(context)
      }
    } finally {
      await records.return(undefined)
      await context.return(undefined)
    }
  }

  async *#entries(file: string): AsyncGenerator<Entry> {
    let line = 0
    let last = -1
    for await (const bytes of linesIn(join(this.#bundle, file))) {
      line += 1
      const entry = this.#decode(file, line, bytes)
      if (entry.index <= last)
        this.#stop(file, line, 'not in the log’s order', `a leaf after ${last}`, `${entry.index}`)
      last = entry.index
      yield entry
    }
  }

  #decode(file: string, line: number, bytes: Buffer): Entry {
    const parsed = parseIndexedLine(bytes)
    if (parsed.kind === 'broken')
      this.#stop(file, line, 'the line was changed', 'a record with its index', 'other bytes')
    const { index, decoded } = parsed
    if (decoded.kind === 'broken') this.#stop(file, line, 'the line was changed', decoded.expected, decoded.found)
    const record = parseRecord(decoded.entry, decoded.payload)
    if (record === undefined) this.#stop(file, line, 'not a record', 'the fields of a record', 'others')
    return { file, line, index, leaf: decoded.leaf, record, bytes }
  }

  async #record(entry: Entry): Promise<void> {
    const { record, index, leaf, file, line } = entry
    this.#asked(entry)
    this.#common(entry)
    this.#payloads.found('record', record.writerId, record.seq, record.payload, { file, line })
    this.tally.add(record, index)
    this.#ocsf.update(`${canonicalJson(this.#mapper.event({ record, leaf, index }))}\n`)
    await this.recordings.add(record, file, line)
  }

  /** Whether the query asks for it, and, where it asks for all, whether it is the next. */
  #asked({ record, index, file, line }: Entry): void {
    const { query, range } = this.#predicate
    if (!isInRange({ range, grants: NONE }, index) || !this.#selection.takes(record)) {
      this.#findings.tampered(file, line, 'a record that was not asked for', 'what the query takes', `leaf ${index}`)
    }
    if (isFiltered(query)) return
    if (index !== this.#expected) {
      this.#findings.tampered(
        file,
        line,
        'records of the stretch are missing',
        `leaf ${this.#expected}`,
        `leaf ${index}`,
      )
    }
    this.#expected = index + 1
    const isEnd = index === range?.first || index === range?.last
    if (isEnd && !isWithin(query, record.ts)) {
      const expected = `a time from ${query.from ?? 'the beginning'} to ${query.to ?? 'the end'}`
      this.#findings.tampered(file, line, 'the stretch ends outside the times asked for', expected, record.ts)
    }
  }

  #beside(entry: Entry): void {
    const { record, index, leaf, bytes, file, line } = entry
    this.context += 1
    const { range } = this.#predicate
    if (!isContext({ range, grants: NONE }, record, index) && record.event !== 'approval.granted') {
      this.#findings.tampered(file, line, 'a record that nothing needs', 'context of the records', record.event)
    }
    if (!bytes.equals(Buffer.from(contextLine(index, leaf, record.fields).slice(0, -1)))) {
      this.#findings.tampered(file, line, 'the line was changed', 'the record alone', 'more')
    }
    this.#neighbours.set(index, record.ts)
    if (this.#neighbours.size > MAX_NEIGHBOURS) this.#forget()
    this.#common(entry)
  }

  // Only the two beside the range are asked for in the end.
  #forget(): void {
    const { range } = this.#predicate
    for (const index of this.#neighbours.keys()) {
      if (range === null || (index !== range.first - 1 && index !== range.last + 1)) this.#neighbours.delete(index)
    }
  }

  #common({ record, index, leaf, file, line }: Entry): void {
    const { writerId, seq, prev, id } = record
    const last = this.#chains.get(writerId)
    const follows = last === undefined || seq > last.seq
    if (id !== `${writerId}:${seq}` || !follows || (seq === (last?.seq ?? -1) + 1 && prev !== last?.leaf)) {
      this.#findings.tampered(
        file,
        line,
        'does not follow its writer’s record before',
        `prev ${last?.leaf ?? ''}`,
        prev,
      )
    }
    this.#chains.set(writerId, { seq, leaf })
    this.#payloads.applied(record)
    if (record.event === 'key.rotated') this.keys.rotated(record, { file, line }, index)
    if (record.event === 'key.compromised') this.keys.compromised(record, { file, line })
    this.#approval(record, file, line)
  }

  #approval({ event, approval, decision, id }: EvidenceRecord, file: string, line: number): void {
    const about = asText(approval?.id)
    if (about === null) return
    if (event === 'approval.granted') this.#granted.add(about)
    if (!isIntent(event) || approval?.state !== 'used') return
    const by = decision ?? id
    const user = this.#used.get(about)
    this.#used.set(about, by)
    if (user !== undefined && user !== by) {
      this.#findings.tampered(file, line, `approval ${about} is used twice`, `only decision ${user}`, `decision ${by}`)
    }
    if (this.#granted.has(about) || isFiltered(this.#predicate.query)) return
    const message = 'an approval is used that is not recorded before'
    const expected = `an approval.granted of ${about}, in the records or their context`
    this.#findings.note({ severity: 'incomplete', file, line, message, expected, found: 'none' })
  }

  /** The stretch is whole to its last leaf, and cut where the times say. */
  #judgeEnds(): void {
    const { query, range, log } = this.#predicate
    if (query.from === null && query.to === null) {
      const whole = range === null ? log.size === 0 : range.first === 0 && range.last === log.size - 1
      if (!whole)
        this.#findings.tampered(FILES.records, null, 'not the whole log', `leaves 0 to ${log.size - 1}`, 'fewer')
    }
    if (range === null) return
    if (!isFiltered(query) && this.#expected !== range.last + 1) {
      const message = 'records of the stretch are missing'
      this.#findings.tampered(
        FILES.records,
        null,
        message,
        `leaves to ${range.last}`,
        `leaves to ${this.#expected - 1}`,
      )
    }
    for (const index of [range.first - 1, range.last + 1])
      if (index >= 0 && index < log.size) this.#judgeNeighbour(index)
  }

  #judgeNeighbour(index: number): void {
    const { query } = this.#predicate
    const ts = this.#neighbours.get(index)
    if (ts !== undefined && !isWithin(query, ts)) return
    const message = 'nothing shows why the stretch was cut here'
    const expected = `leaf ${index}, of a time that was not asked for`
    this.#findings.tampered(FILES.context, null, message, expected, ts ?? 'no such leaf')
  }

  async *#hashes(): AsyncGenerator<Buffer> {
    let line = 0
    for await (const bytes of linesIn(join(this.#bundle, FILES.hashes))) {
      line += 1
      const text = bytes.toString('latin1')
      if (!HASH.test(text)) this.#stop(FILES.hashes, line, 'the line was changed', '64 hex digits', 'other bytes')
      yield Buffer.from(text, 'hex')
    }
  }

  #stop(file: string, line: number, message: string, expected: string, found: string): never {
    this.#findings.tampered(file, line, message, expected, found)
    throw new Stopped(message)
  }
}

const HASH = /^[0-9a-f]{64}$/
const NONE: ReadonlySet<number> = new Set()
const MAX_NEIGHBOURS = 1000

async function next(entries: AsyncGenerator<Entry>): Promise<Entry | undefined> {
  const { value, done } = await entries.next()
  return done === true ? undefined : value
}
