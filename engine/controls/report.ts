import { EvidenceError } from '../errors.ts'
import {
  inclusionProof,
  nodesOf,
  parseCheckpoint,
  provesInclusion,
  readRecords,
  sourceOf,
  type Evidence,
  type EvidenceSource,
  type ReadNode,
  type StoredRecord,
} from '../evidence/index.ts'
import { CompletenessCheck, type Completeness } from './completeness.ts'
import { isCitable, type Control, type ControlPack } from './control.ts'
import { textAt } from './field.ts'
import { Activations, Approvals, type ApprovalAccount, type PolicyActivation } from './in-force.ts'
import type { MeasureResult, Seen } from './measure.ts'
import { MeasureSet } from './measures.ts'
import { namedControls, PopulationCount, type Population, type SampledRecord } from './population.ts'
import { drawOf } from './sample.ts'

/** What a report is made of. The checkpoint is taken as given: whose it is, is for the caller to check. */
export interface ReportScope {
  /** RFC 3339, UTC, milliseconds: records from here on; null: from the first. */
  readonly from: string | null
  /** Records before this; null: to the last that the checkpoint covers. */
  readonly to: string | null
  readonly size: number
  readonly root: Uint8Array
  readonly origin: string
  /** Ids, in the pack's order whatever the order here; all that a default report may show when it isn't there. */
  readonly controls?: readonly string[]
  /** Nothing is said of records behind the checkpoint: the same report, however much the log has grown. */
  readonly closed?: boolean
}

export interface Proved extends SampledRecord {
  /** Its place in the draw: the smallest ones of the population are the sample. */
  readonly draw: string
  /** Hashes that lead from the leaf to the root, hex; checked when the report was made. */
  readonly proof: readonly string[]
}

export interface ControlSection {
  readonly control: Control
  readonly population: Population
  readonly measures: readonly MeasureResult[]
  /** In the order of the draw. */
  readonly sample: readonly Proved[]
  readonly approvals: readonly ApprovalAccount[]
}

export interface ControlReport {
  readonly log: { readonly origin: string; readonly size: number; readonly root: string }
  readonly period: { readonly from: string | null; readonly to: string | null }
  /** First and last time of a record in the period, and how many there are. */
  readonly span: { readonly first: string | null; readonly last: string | null; readonly records: number }
  readonly pack: {
    readonly version: string
    readonly digest: string
    readonly controls: number
    /** Left out of every default report: from memory, or of a withdrawn framework. */
    readonly uncertain: readonly string[]
    readonly withdrawn: number
    /** Packs that records of the period were made under, where it isn't this one; '' where they name none. */
    readonly others: Readonly<Record<string, number>>
  }
  readonly completeness: Completeness
  readonly policies: { readonly listed: readonly PolicyActivation[]; readonly omitted: number }
  readonly sections: readonly ControlSection[]
}

/**
 * Reads a log once, from its first record to the last that the checkpoint covers, and says of each control what it shows.
 * Holds no more than counts, exceptions, samples and what is open at a time. Equal logs, scopes and packs give equal
 * reports. Throws EvidenceError ERR_EVIDENCE_TAMPERED where the records are not those of the checkpoint: nothing is reported
 * of a log that isn't whole.
 */
export async function controlReport(evidence: Evidence, pack: ControlPack, scope: ReportScope): Promise<ControlReport> {
  const source = sourceOf(evidence)
  const survey = new Survey(pack, scope)
  for await (const stored of readRecords(source)) {
    if (scope.closed === true && (stored.index === null || stored.index >= scope.size)) break
    survey.take(stored)
  }
  return survey.report(new Prover(nodesIn(source, scope.size), scope))
}

/**
 * Nodes of the tree out of the log's tiles. A gateway that still writes replaces the checkpoint's partial tiles by wider
 * ones with the same hashes in front: what is gone is looked for under the newest checkpoint, and proved like all else.
 */
function nodesIn(source: EvidenceSource, size: number): ReadNode {
  const { tile, place } = source
  let read = nodesOf(tile, place, size)
  return async (height, index) => {
    try {
      return await read(height, index)
    } catch (error) {
      const newest = parseCheckpoint((await source.document('checkpoint')) ?? '')
      if (newest === undefined || newest.size <= size) throw error
      read = nodesOf(tile, place, newest.size)
      return read(height, index)
    }
  }
}

class Survey {
  readonly #pack: ControlPack
  readonly #scope: ReportScope
  readonly #from: string
  readonly #to: string
  readonly #completeness: CompletenessCheck
  readonly #measures: MeasureSet
  readonly #counts: readonly (readonly [control: Control, count: PopulationCount])[]
  readonly #activations = new Activations()
  readonly #approvals = new Approvals()
  readonly #packs = new Map<string, number>()
  readonly #span = { first: '', last: '', records: 0 }

  constructor(pack: ControlPack, scope: ReportScope) {
    this.#pack = pack
    this.#scope = scope
    this.#from = scope.from ?? ''
    this.#to = scope.to ?? '~' // Above every digit that a time begins with.
    this.#completeness = new CompletenessCheck(scope)
    const controls = [...pack.controls.values()].filter(({ id }) => scope.controls?.includes(id) ?? true)
    const shown = scope.controls === undefined ? controls.filter(isCitable) : controls
    this.#measures = new MeasureSet(shown.map(({ id }) => id))
    this.#counts = shown.map((control) => [control, new PopulationCount(control)])
  }

  take(stored: StoredRecord): void {
    const index = this.#completeness.take(stored)
    if (index === null) return
    const { record, fields, leaf } = stored
    const seen: Seen = { record, fields, index, inPeriod: record.ts >= this.#from && record.ts < this.#to }
    this.#measures.take(seen)
    this.#activations.take(seen, this.#from)
    this.#approvals.take(seen)
    if (seen.inPeriod) this.#count(seen, leaf)
  }

  async report(prover: Prover): Promise<ControlReport> {
    const completeness = this.#completeness.end()
    const { origin, size, from, to } = this.#scope
    const { version, digest, controls } = this.#pack
    const left = [...controls.values()].filter((control) => !isCitable(control))
    const uncertain = left.filter(({ status }) => status === 'current').map(({ id }) => id)
    const { first, last, records } = this.#span
    return {
      log: { origin, size, root: completeness.root },
      period: { from, to },
      span: { first: first || null, last: last || null, records },
      pack: {
        version,
        digest,
        controls: controls.size,
        uncertain,
        withdrawn: left.length - uncertain.length,
        others: Object.fromEntries([...this.#packs].toSorted(([one], [other]) => (one < other ? -1 : 1))),
      },
      completeness,
      policies: { listed: this.#activations.all(), omitted: this.#activations.omitted },
      sections: await this.#sections(prover),
    }
  }

  #count(seen: Seen, leaf: string): void {
    const { ts } = seen.record
    this.#span.records += 1
    if (this.#span.first === '' || ts < this.#span.first) this.#span.first = ts
    if (ts > this.#span.last) this.#span.last = ts
    const pack = textAt(seen.fields, 'control_pack') ?? ''
    if (pack !== this.#pack.digest) this.#packs.set(pack, (this.#packs.get(pack) ?? 0) + 1)
    const named = namedControls(seen)
    const draw = drawOf(this.#scope.root, leaf)
    for (const [, count] of this.#counts) count.take(seen, leaf, named, draw)
  }

  async #sections(prover: Prover): Promise<readonly ControlSection[]> {
    const approvals = this.#approvals.all()
    const sections: ControlSection[] = []
    for (const [control, count] of this.#counts) {
      const population = count.result()
      const sample: Proved[] = []
      for (const { draw, item } of count.sample.drawn()) {
        sample.push({ ...item, draw, proof: await prover.proof(item.index, item.leaf) })
      }
      sections.push({
        control,
        population,
        measures: this.#measures.resultsOf(control.id),
        sample,
        approvals: population.approvals.map((id) => approvals.get(id)).filter((account) => account !== undefined),
      })
    }
    return sections
  }
}

/** Inclusion proofs out of the log's tiles, each checked before it is handed out; many samples share a record. */
class Prover {
  readonly #read: ReadNode
  readonly #scope: ReportScope
  readonly #nodes = new Map<string, Promise<Buffer>>()
  readonly #proofs = new Map<number, readonly string[]>()

  constructor(read: ReadNode, scope: ReportScope) {
    this.#scope = scope
    this.#read = (height, index) => {
      const key = `${height}/${index}`
      const known = this.#nodes.get(key) ?? read(height, index)
      this.#nodes.set(key, known)
      return known
    }
  }

  async proof(index: number, leaf: string): Promise<readonly string[]> {
    const known = this.#proofs.get(index)
    if (known !== undefined) return known
    const { size, root } = this.#scope
    const proof = await inclusionProof(index, size, this.#read)
    if (!provesInclusion(Buffer.from(leaf, 'hex'), index, size, proof, root)) {
      const message = `leaf ${index} of the log: expected tiles that prove it; found others; run countersign evidence verify`
      throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
    }
    const hex = proof.map((hash) => hash.toString('hex'))
    this.#proofs.set(index, hex)
    return hex
  }
}
