import { lstat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EvidenceError } from '../../errors.ts'
import { canonicalJson } from '../canonical-json.ts'
import { parseCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import { readFrames, sourceOf, type Evidence, type StoredRecord } from '../reading.ts'
import type { EvidenceSource } from '../source.ts'
import { keyName, type NoteSigner } from '../signed-note.ts'
import { sealEnvelope } from './dsse.ts'
import { FolderSink, type FileSink } from './file-sink.ts'
import { contextLine, indexedLine } from './indexed-line.ts'
import { instructions } from './instructions.ts'
import {
  FILES,
  MANIFEST,
  manifestText,
  MAPPING,
  policyFolder,
  recordingName,
  REPORT_FILES,
  type Counts,
  type Predicate,
} from './manifest.ts'
import { MultiproofMaker } from './multiproof.ts'
import { OcsfMapper } from './ocsf.ts'
import { assessmentResults } from './oscal.ts'
import { policyDocuments } from './policy-files.ts'
import { Selection, type Query } from './query.ts'
import { findScope, isContext, isInRange, recordsUnder, type Scope } from './scope.ts'
import { sorted, Tally } from './tally.ts'

export interface NamedFile {
  readonly name: string
  readonly content: string | Uint8Array
}

/** What reports are made for. */
export interface ReportScope {
  readonly from: string | null
  readonly to: string | null
  readonly size: number
  /** Base64, as in the checkpoint. */
  readonly root: string
  readonly origin: string
}

export interface ExportOptions {
  readonly evidence: Evidence
  /** The bundle's folder; must not be there yet. */
  readonly out: string
  readonly query: Query
  /** Signs the manifest; null leaves it unsigned, which the bundle then says. Never the log's own key. */
  readonly signer: NoteSigner | null
  /** A checkpoint's text; by default the newest that a witness has signed, or else the newest. */
  readonly checkpoint?: string
  /** Countersign's version. */
  readonly producer: string
  /** The file of a policy bundle, where it is at hand. */
  policyFile?(digest: string): Promise<Uint8Array | null>
  /** controls.csv, report.html and report.pdf, or some of them. */
  reports?(scope: ReportScope): Promise<readonly NamedFile[]>
  /** All of it is written, and nobody can have it yet: it takes its name when this resolves, and goes when it rejects. */
  beforePublishing?(report: ExportReport): Promise<void>
  onProgress?(phase: string, done: number, of: number): void
}

export interface ExportReport {
  readonly out: string
  readonly predicate: Predicate
  /** SHA-256 of the manifest's file: names the whole bundle. */
  readonly manifest: string
  /** Whether anybody but the log signed the checkpoint. */
  readonly witnessed: boolean
}

const PROGRESS_EVERY = 50_000

/**
 * Writes an export bundle (docs/evidence-bundle.md) of what a query asks for, as of one checkpoint, and derives that
 * checkpoint's root again while it does. Streams everything: memory grows with open sessions alone. Throws EvidenceError
 * ERR_EVIDENCE_EXPORT where the question can't be answered so, ERR_EVIDENCE_TAMPERED where the records are not those that were
 * signed; no bundle is left then.
 */
export async function exportEvidence(options: ExportOptions): Promise<ExportReport> {
  const checkpoint = await readCheckpoint(options)
  refuseLogKey(options.signer, checkpoint.parsed)
  const out = resolve(options.out)
  const sink = new FolderSink(out)
  await begin(sink, out)
  try {
    const made = await new Export(options, checkpoint.parsed, sink).run(checkpoint.text)
    const report = { ...made, out, witnessed: checkpoint.parsed.note.signatures.length > 1 }
    await options.beforePublishing?.(report)
    await sink.publish()
    return report
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

class Export {
  readonly #options: ExportOptions
  readonly #checkpoint: SignedCheckpoint
  readonly #sink: FolderSink
  readonly #source: EvidenceSource
  readonly #tally = new Tally()
  /** Per writer and session: how many frames the selected records name. */
  readonly #named = new Map<string, Map<string, number>>()
  #context = 0
  #frames = 0

  constructor(options: ExportOptions, checkpoint: SignedCheckpoint, sink: FolderSink) {
    this.#options = options
    this.#checkpoint = checkpoint
    this.#sink = sink
    this.#source = sourceOf(options.evidence)
  }

  async run(checkpointText: string): Promise<Pick<ExportReport, 'predicate' | 'manifest'>> {
    const { query, producer, signer } = this.#options
    const { origin, size, root } = this.#checkpoint
    const scope = await findScope(this.#source, size, query)
    await this.#sink.put(FILES.checkpoint, checkpointText)
    await this.#records(scope)
    for (const writer of [...this.#named.keys()].toSorted()) await this.#recording(writer)
    const log = { origin, size, root: root.toString('base64') }
    const predicate = { log, query, range: scope.range, counts: this.#counts(), mapping: MAPPING, producer }
    await this.#derived(predicate)
    const statement = manifestText({ files: this.#sink.digests(), predicate })
    await this.#sink.put(MANIFEST, sealEnvelope(Buffer.from(statement), signer))
    return { predicate, manifest: this.#sink.digests().get(MANIFEST) ?? '' }
  }

  async #records(scope: Scope): Promise<void> {
    const [records, context, hashes, ocsf] = await Promise.all(
      [FILES.records, FILES.context, FILES.hashes, FILES.ocsf].map((name) => this.#sink.open(name)),
    )
    if (records === undefined || context === undefined || hashes === undefined || ocsf === undefined) return
    const selection = new Selection(this.#options.query)
    const mapper = new OcsfMapper()
    const proof = new MultiproofMaker((hash) => hashes.add(`${hash.toString('hex')}\n`))
    for await (const stored of recordsUnder(this.#source, this.#checkpoint.size)) {
      const { index, record, leaf, text } = stored
      const taken = isInRange(scope, index) && selection.takes(record)
      const beside = !taken && isContext(scope, record, index)
      proof.append(Buffer.from(leaf, 'hex'), taken || beside)
      if (taken) {
        this.#take(stored, index)
        records.add(indexedLine(index, text))
        if (ocsf.add(`${canonicalJson(mapper.event({ record, leaf, index }))}\n`)) await flush(records, ocsf, hashes)
      }
      if (beside) {
        this.#context += 1
        if (context.add(contextLine(index, leaf, record.fields))) await context.flush()
      }
      if (index % PROGRESS_EVERY === 0) await this.#progress('records', index, hashes)
    }
    this.#judgeRoot(proof)
    await this.#sink.close(FILES.records, records)
    await this.#sink.close(FILES.context, context)
    await this.#sink.close(FILES.hashes, hashes)
    await this.#sink.close(FILES.ocsf, ocsf)
  }

  #take({ record }: StoredRecord, index: number): void {
    this.#tally.add(record, index)
    const { recording, session, writerId } = record
    if (recording === null || session === null) return
    const sessions = this.#named.get(writerId) ?? new Map<string, number>()
    this.#named.set(writerId, sessions)
    sessions.set(session, Math.max(recording.frames, sessions.get(session) ?? 0))
  }

  #judgeRoot(proof: MultiproofMaker): void {
    const { size, root } = this.#checkpoint
    const read = proof.size
    const found = proof.end()
    if (read === size && found.equals(root)) return
    const what = read < size ? `only ${read} records in order` : `root ${found.toString('base64')}`
    const message = `${this.#source.place}: expected the ${size} records under root ${root.toString('base64')}; found ${what}; run countersign evidence verify, and keep the directory as it is`
    throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
  }

  /** The frames that selected records name, and no later ones: those are under no signature yet. */
  async #recording(writer: string): Promise<void> {
    const sessions = this.#named.get(writer) ?? new Map<string, number>()
    const name = recordingName(writer)
    const file = await this.#sink.open(name)
    let missing = sessions.size
    for await (const { frame, text } of readFrames(this.#source, writer)) {
      const last = sessions.get(frame.session) ?? 0
      if (frame.index > last) continue
      this.#frames += 1
      if (file.add(`${text}\n`)) await file.flush()
      if (frame.index === last) missing -= 1
      if (missing === 0) break
    }
    await this.#sink.close(name, file)
    if (missing === 0) return
    const message = `${this.#source.place}/${name}: expected the frames that records name; found less in ${missing} sessions; run countersign evidence verify`
    throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
  }

  async #derived(predicate: Predicate): Promise<void> {
    const { signer } = this.#options
    await this.#sink.put(FILES.oscal, assessmentResults(predicate, this.#tally))
    for (const [name, text] of policyDocuments(this.#tally)) await this.#sink.put(name, text)
    for (const [digest] of sorted(this.#tally.policies)) await this.#policy(digest)
    await this.#reports(predicate)
    const keyId = signer === null ? null : keyName(signer.verifier)
    await this.#sink.put(FILES.verify, instructions(predicate, keyId))
  }

  async #policy(digest: string): Promise<void> {
    const bytes = await this.#options.policyFile?.(digest)
    if (bytes !== undefined && bytes !== null) await this.#sink.put(`${policyFolder(digest)}/bundle.tar.gz`, bytes)
  }

  async #reports({ log, query }: Predicate): Promise<void> {
    this.#options.onProgress?.('reports', 0, 1)
    const scope = { from: query.from, to: query.to, ...log }
    const files = (await this.#options.reports?.(scope)) ?? []
    for (const { name, content } of files) {
      const known: readonly string[] = REPORT_FILES
      if (!known.includes(name)) throw new Error(`a report named ${name}, which a bundle has no place for`)
      await this.#sink.put(name, content)
    }
  }

  #counts(): Counts {
    const events = Object.fromEntries(sorted(this.#tally.events))
    const { records } = this.#tally
    return { records, context: this.#context, frames: this.#frames, recordings: this.#named.size, events }
  }

  async #progress(phase: string, done: number, hashes: FileSink): Promise<void> {
    await hashes.flush()
    this.#options.onProgress?.(phase, done, this.#checkpoint.size)
  }
}

async function flush(...sinks: readonly FileSink[]): Promise<void> {
  for (const sink of sinks) await sink.flush()
}

async function readCheckpoint({
  evidence,
  checkpoint,
}: ExportOptions): Promise<{ readonly text: string; readonly parsed: SignedCheckpoint }> {
  const source = sourceOf(evidence)
  const text = checkpoint ?? (await source.document('witnessed')) ?? (await source.document('checkpoint'))
  if (text === undefined) {
    const message = `${source.place}: expected a signed checkpoint; found none; an export is proved against one, so give the gateway a log key (evidence.log.key)`
    throw new EvidenceError('ERR_EVIDENCE_EXPORT', message)
  }
  const parsed = parseCheckpoint(text)
  if (parsed !== undefined) return { text, parsed }
  const message = `${source.place}: expected a checkpoint (C2SP tlog-checkpoint); found other text; run countersign evidence verify`
  throw new EvidenceError('ERR_EVIDENCE_EXPORT', message)
}

// One key for both would let whoever exports sign a log, and whoever signs the log make up an export.
function refuseLogKey(signer: NoteSigner | null, { note }: SignedCheckpoint): void {
  if (signer === null) return
  const { name, id } = signer.verifier
  if (!note.signatures.some((signature) => signature.name === name || signature.id.equals(id))) return
  const message = `expected an export key of its own; found ${keyName(signer.verifier)}, which signs the log; make one with countersign evidence key`
  throw new EvidenceError('ERR_EVIDENCE_EXPORT', message)
}

async function begin(sink: FolderSink, out: string): Promise<void> {
  const there = await lstat(out).catch(() => undefined)
  try {
    if (there !== undefined) throw new Error('something of that name is there')
    await sink.begin()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `${join(dirname(out), basename(out))}: expected a new name in a folder that can be written; found that it can't be used (${reason}); remove what is there, or <name>.partial of an export that was killed`
    throw new EvidenceError('ERR_EVIDENCE_EXPORT', message, { cause })
  }
}
