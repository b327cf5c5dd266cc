import { isByRuleOnly, type Control } from './control.ts'
import { listAt, textAt, textsAt } from './field.ts'
import type { Seen } from './measure.ts'
import { Sample } from './sample.ts'

/** One record of a sample, with what makes it recognizable. */
export interface SampledRecord {
  readonly index: number
  readonly id: string
  readonly ts: string
  readonly event: string
  readonly principal: string | null
  readonly action: string | null
  readonly rules: readonly string[]
  readonly leaf: string
}

/** Decisions of a population by the policy revision that they were made under. */
export interface PolicyUse {
  readonly revision: string
  readonly digest: string
  readonly decisions: number
}

export interface Population {
  readonly records: number
  readonly byEvent: Readonly<Record<string, number>>
  /** Of these, records that cite the control because a rule names it. */
  readonly namedByRules: number
  /** First and last leaf; null of none. */
  readonly first: number | null
  readonly last: number | null
  readonly policies: readonly PolicyUse[]
  /** Ids of the approvals that its records name. */
  readonly approvals: readonly string[]
}

const MAX_APPROVALS = 500

/**
 * The records that speak to one control: those of the events that its mapping names, and those that cite it because a rule
 * does. A control that speaks of a circumstance which no event tells has only the latter.
 */
export class PopulationCount {
  readonly sample: Sample<SampledRecord> = new Sample()
  readonly #id: string
  readonly #events: ReadonlySet<string>
  readonly #byEvent = new Map<string, number>()
  readonly #policies = new Map<string, { revision: string; decisions: number }>()
  readonly #approvals = new Set<string>()
  #records = 0
  #named = 0
  #first: number | null = null
  #last: number | null = null

  constructor(control: Control) {
    this.#id = control.id
    this.#events = new Set<string>(isByRuleOnly(control) ? [] : control.events)
  }

  /** `named`: the controls that the record's rules name; `draw`: its place in the sample. */
  take(seen: Seen, leaf: string, named: ReadonlySet<string>, draw: string): void {
    const { event } = seen.record
    const isNamed = named.has(this.#id)
    if (!isNamed && !this.#events.has(event)) return
    this.#records += 1
    if (isNamed) this.#named += 1
    this.#first ??= seen.index
    this.#last = seen.index
    this.#byEvent.set(event, (this.#byEvent.get(event) ?? 0) + 1)
    if (event.startsWith('decision.')) this.#policy(seen)
    const approval = textAt(seen.fields, 'approval', 'id')
    if (approval !== null && this.#approvals.size < MAX_APPROVALS) this.#approvals.add(approval)
    this.sample.offer(draw, () => sampled(seen, leaf))
  }

  result(): Population {
    const policies = [...this.#policies].map(([digest, use]) => ({ digest, ...use }))
    return {
      records: this.#records,
      byEvent: Object.fromEntries([...this.#byEvent].toSorted(([, one], [, other]) => other - one)),
      namedByRules: this.#named,
      first: this.#first,
      last: this.#last,
      policies,
      approvals: [...this.#approvals],
    }
  }

  #policy({ fields }: Seen): void {
    const digest = textAt(fields, 'policy', 'digest') ?? 'none'
    const use = this.#policies.get(digest) ?? { revision: textAt(fields, 'policy', 'revision') ?? 'none', decisions: 0 }
    use.decisions += 1
    this.#policies.set(digest, use)
  }
}

/** The controls that a record's own rules name. */
export function namedControls({ fields }: Seen): ReadonlySet<string> {
  const named = new Set<string>()
  for (const reason of listAt(fields, 'reasons')) for (const id of textsAt(reason, 'controls')) named.add(id)
  return named
}

function sampled({ record, fields, index }: Seen, leaf: string): SampledRecord {
  const { id, ts, event } = record
  const rules = listAt(fields, 'reasons').map((reason) => textAt(reason, 'rule') ?? 'unnamed')
  const rule = textAt(fields, 'approval', 'rule')
  return {
    index,
    id,
    ts,
    event,
    principal: textAt(fields, 'principal', 'id') ?? textAt(fields, 'approval', 'requester', 'id'),
    action: textAt(fields, 'action', 'name'),
    rules: rules.length > 0 || rule === null ? rules : [rule],
    leaf,
  }
}
