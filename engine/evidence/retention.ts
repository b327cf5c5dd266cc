import type { LegalHold } from './legal-hold.ts'

/** How long what is kept beside entries about a resource stays. The first rule that names a resource is its rule. */
export interface RetentionRule {
  /** A resource's name; `*` stands for any characters, and alone also for entries about no resource. */
  readonly resource: string
  readonly olderThanMs: number
  /** As the configuration has it: `90d`. */
  readonly olderThan: string
}

/** What an entry is about. */
export interface Subject {
  /** Of its decision. */
  readonly resources: readonly string[]
  readonly session: string | null
  readonly agent: string | null
}

export type Fate =
  /** `rule`: its place in the list; `resource`: the one that lets go last, null for an entry about none. */
  | { readonly kind: 'due'; readonly rule: number; readonly resource: string | null }
  | { readonly kind: 'held'; readonly hold: string }
  | { readonly kind: 'kept' }

const KEPT: Fate = { kind: 'kept' }

/**
 * Decides what goes: a payload does when every resource that it is about lets go of it, and no hold has it. A resource
 * without a rule never lets go.
 */
export class Retention {
  readonly #rules: readonly { readonly fits: (name: string) => boolean; readonly cutoff: number }[]
  readonly #holds: readonly { readonly hold: LegalHold; readonly fits: ((name: string) => boolean) | null }[]
  readonly #ruleOf = new Map<string, number>()

  constructor(rules: readonly RetentionRule[], holds: readonly LegalHold[], now: number) {
    this.#rules = rules.map(({ resource, olderThanMs }) => ({ fits: glob(resource), cutoff: now - olderThanMs }))
    this.#holds = holds.map((hold) => ({ hold, fits: hold.resource === null ? null : glob(hold.resource) }))
  }

  /** Milliseconds since 1970: what is older is due under this rule. */
  cutoff(rule: number): number {
    return this.#rules[rule]?.cutoff ?? -Infinity
  }

  /** `time`: when the entry was recorded. */
  fate(subject: Subject, time: number): Fate {
    const due = this.#due(subject.resources, time)
    if (due === null) return KEPT
    const hold = this.hold(subject, time)
    return hold === null ? { kind: 'due', ...due } : { kind: 'held', hold }
  }

  /** The name of a hold that has it. */
  hold(subject: Subject, time: number): string | null {
    return this.#holds.find((each) => holds(each, subject, time))?.hold.name ?? null
  }

  #due(resources: readonly string[], time: number): { rule: number; resource: string | null } | null {
    if (resources.length === 0) {
      const rule = this.#rule('')
      return rule >= 0 && time < this.cutoff(rule) ? { rule, resource: null } : null
    }
    let last: { rule: number; resource: string } | null = null
    for (const resource of resources) {
      const rule = this.#rule(resource)
      if (rule < 0 || time >= this.cutoff(rule)) return null
      if (last === null || this.cutoff(rule) < this.cutoff(last.rule)) last = { rule, resource }
    }
    return last
  }

  #rule(resource: string): number {
    const known = this.#ruleOf.get(resource)
    if (known !== undefined) return known
    const rule = this.#rules.findIndex(({ fits }) => fits(resource))
    this.#ruleOf.set(resource, rule)
    return rule
  }
}

function holds(
  { hold, fits }: { readonly hold: LegalHold; readonly fits: ((name: string) => boolean) | null },
  { resources, session, agent }: Subject,
  time: number,
): boolean {
  if (fits !== null && !resources.some(fits)) return false
  if (hold.session !== null && hold.session !== session) return false
  if (hold.agent !== null && hold.agent !== agent) return false
  return (hold.from === null || time >= hold.from) && (hold.to === null || time <= hold.to)
}

function glob(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, String.raw`\$&`))
  const expression = new RegExp(`^${parts.join('.*')}$`, 's')
  return (name) => expression.test(name)
}
