import { constant } from '../access-request.ts'
import type { JsonObject } from '../access-request.ts'
import { ConfigError } from '../errors.ts'
import { EVENT_NAMES, type Citation, type EventName } from '../evidence/index.ts'
import { isByRuleOnly, isCitable, type Control, type ControlPack, type Strength } from './control.ts'

/** A record cites at least so many controls, where its event has them, and never more. */
export const FEWEST_CITED = 3
export const MOST_CITED = 6
/** Different sets of rules that fire together are few; a policy that makes up ids must not fill the memory. */
const MAX_KEPT = 10_000

/**
 * Which controls a record cites. Those that its rules name come first, then those whose mapping names its event: direct
 * ones up to six in all, weaker ones only up to three; in the pack's order. Worked out once for each event and each set of
 * rules; from then on a record gets the same frozen object, whose canonical form is kept.
 */
export class ControlResolver {
  readonly #pack: ControlPack
  readonly #rank: ReadonlyMap<string, number>
  readonly #ranked: readonly Control[]
  readonly #kept: ReadonlyMap<EventName, Kept>
  #keptCount = 0

  constructor(pack: ControlPack) {
    this.#pack = pack
    this.#ranked = ranked(pack)
    this.#rank = new Map(this.#ranked.map(({ id }, at) => [id, at]))
    this.#kept = new Map(EVENT_NAMES.map((event) => [event, { citation: this.#resolve(event, []), next: new Map() }]))
  }

  /** `named`: what the rules that fired name, in their order. An id that the pack can't cite stays with its reason alone. */
  cite(event: EventName, named: readonly string[]): Citation {
    let kept = this.#kept.get(event)
    for (const id of named) kept = kept === undefined ? undefined : this.#next(kept, id)
    if (kept === undefined) return this.#resolve(event, named)
    kept.citation ??= this.#resolve(event, named)
    return kept.citation
  }

  #next(kept: Kept, id: string): Kept | undefined {
    const known = kept.next.get(id)
    if (known !== undefined || this.#keptCount === MAX_KEPT) return known
    const made: Kept = { citation: null, next: new Map() }
    kept.next.set(id, made)
    this.#keptCount += 1
    return made
  }

  #resolve(event: EventName, named: readonly string[]): Citation {
    const citable = named.filter((id) => this.#rank.has(id))
    const byRules = [...new Set(citable)].toSorted((one, other) => this.#place(one) - this.#place(other))
    const cited = byRules.slice(0, MOST_CITED)
    for (const control of this.#ranked) {
      const { id, events, strength } = control
      if (cited.length >= (strength === 'direct' ? MOST_CITED : FEWEST_CITED)) continue
      if (events.includes(event) && !isByRuleOnly(control) && !cited.includes(id)) cited.push(id)
    }
    return constant({ controls: cited, control_pack: this.#pack.digest })
  }

  #place(id: string): number {
    return this.#rank.get(id) ?? this.#ranked.length
  }
}

/** A walk from the event along the ids that rules name: no key is made to look one up. */
interface Kept {
  citation: Citation | null
  readonly next: Map<string, Kept>
}

const STRENGTHS: readonly Strength[] = ['direct', 'partial', 'supporting']

function ranked({ controls, frameworks }: ControlPack): readonly Control[] {
  const rank = ({ strength, framework }: Control): number =>
    STRENGTHS.indexOf(strength) * frameworks.length + frameworks.indexOf(framework)
  return [...controls.values()].filter(isCitable).toSorted((one, other) => rank(one) - rank(other))
}

/**
 * Refuses a policy whose rules name a control that the pack doesn't have: its decisions would cite what nobody can look
 * up. Throws ConfigError ERR_CONFIG_CONTROLS, naming rule and id.
 */
export function requireControls(pack: ControlPack, metadata: JsonObject): void {
  for (const { id, controls } of rulesOf(metadata)) {
    const unknown = controls.find((control) => !pack.controls.has(control))
    if (unknown === undefined) continue
    const message = `the active policy's rule ${id}: expected controls of the pack (version ${pack.version}, digest ${pack.digest}); found ${unknown}; build the bundle against this pack, or configure the pack it was built with as controls.directory`
    throw new ConfigError('ERR_CONFIG_CONTROLS', message)
  }
}

/** One rule of a bundle, as its manifest lists it. */
export interface PolicyRule {
  readonly id: string
  readonly verdict: string
  readonly title: string
  readonly controls: readonly string[]
}

/** The rules that a bundle's manifest lists; none for a bundle that was built without them. */
export function rulesOf({ rules }: JsonObject): readonly PolicyRule[] {
  if (!Array.isArray(rules)) return []
  return rules.map((rule: unknown) => {
    const { id, verdict, title, controls }: Readonly<Record<string, unknown>> = Object(rule)
    const named = Array.isArray(controls) ? controls.map(text) : []
    return { id: text(id), verdict: text(verdict), title: text(title), controls: named }
  })
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
