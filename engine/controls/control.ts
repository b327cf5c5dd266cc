import type { EventName } from '../evidence/index.ts'

export type Strength = 'direct' | 'partial' | 'supporting'
export type Certainty = 'V1' | 'V2' | 'V3' | 'M'

/** One requirement of one framework, and what of it the gateway's records evidence. */
export interface Control {
  readonly id: string
  readonly title: string
  readonly framework: string
  /** `legacy`: the framework was withdrawn; its ids explain older reports and are cited nowhere. */
  readonly status: 'current' | 'legacy'
  /** `ours`: the document numbers nothing, and the id is a label of the pack; said wherever it is printed. */
  readonly identifiers: 'source' | 'ours'
  readonly source: ControlSource
  /** In our words; null where the source's licence allows ids and titles only. */
  readonly paraphrase: string | null
  readonly events: readonly EventName[]
  readonly tags: readonly string[]
  /** `direct`: the record is the evidence; `partial`: a part of it; `supporting`: it helps somebody else's. */
  readonly strength: Strength
  readonly metric: string | null
  /** What the gateway can't see of it. */
  readonly notShown: string | null
  readonly certainty: Certainty
  readonly certaintyNote: string | null
  /** Framework → ids that ask for much the same. */
  readonly crosswalk: Readonly<Record<string, readonly string[]>>
}

export interface ControlSource {
  readonly document: string
  readonly section: string
  readonly examProcedure: string | null
}

/** Every control of a directory of mappings, under one digest that records and bundles name. */
export interface ControlPack {
  readonly version: string
  /** SHA-256 (hex) over the lines that `sha256sum` prints of its files, the index first. */
  readonly digest: string
  readonly frameworks: readonly string[]
  /** By id, in the pack's own order. */
  readonly controls: ReadonlyMap<string, Control>
}

/** What a certainty mark means, for whoever reads one. */
export const CERTAINTY: Readonly<Record<Certainty, string>> = {
  V1: 'read in a copy of the primary document',
  V2: 'secondary sources agree',
  V3: 'text read, its number inferred from the order of a list',
  M: 'from memory',
}

/** Tags of controls that speak of a circumstance (a test environment, a provider's staff) which no event tells by itself. */
const CIRCUMSTANCES: ReadonlySet<string> = new Set(['environments', 'third-party'])

/** Whether only a rule can say that a record speaks to it, because its events alone do not. */
export function isByRuleOnly({ tags }: Control): boolean {
  return tags.some((tag) => CIRCUMSTANCES.has(tag))
}

/** Whether a record or a default report may cite it: never a withdrawn framework's, never one from memory alone. */
export function isCitable({ status, certainty }: Control): boolean {
  return status === 'current' && certainty !== 'M'
}
