import { constant, type GrantSeen, type Principal } from '../access-request.ts'
import type { Approval } from './approval.ts'
import { isSubject, type Grant } from './grant.ts'

/** How old the last look at a shared store may be before nobody has any grant here: a revocation may have been missed. */
const STALE_MS = 5_000

const NONE: readonly GrantSeen[] = constant([])

interface Kept {
  readonly approval: Approval
  readonly view: GrantSeen
}

/** The grants in force, at hand for every decision: it can't wait for a store. */
export class LiveGrants {
  readonly #kept = new Map<string, Kept>()
  /** What ended here, until a look at the store has seen that too: a look that began before must not bring it back. */
  readonly #ended = new Set<string>()
  /** null: nobody else changes the store. Milliseconds of a clock that never goes back. */
  #lookedAt: number | null = null

  /** A change that was made here. */
  take(approval: Approval): void {
    const { id, state, grant } = approval
    if (grant !== undefined && state === 'granted')
      this.#kept.set(id, { approval, view: constant(seen(approval, grant)) })
    else if (this.#kept.delete(id)) this.#ended.add(id)
  }

  /** All that are in force by the store, where others change it too; `askedAt` as performance.now() tells it. */
  replace(all: readonly Approval[], askedAt: number): void {
    const there = new Set(all.map(({ id }) => id))
    for (const id of this.#kept.keys()) if (!there.has(id)) this.#kept.delete(id)
    for (const id of this.#ended) if (!there.has(id)) this.#ended.delete(id)
    for (const approval of all) {
      const isKnown = this.#ended.has(approval.id) || this.#kept.get(approval.id)?.approval.version === approval.version
      if (!isKnown) this.take(approval)
    }
    this.#lookedAt = askedAt
  }

  /** What this principal has now, in one order. */
  of(principal: Principal, now: number): readonly GrantSeen[] {
    if (this.#kept.size === 0) return NONE
    if (this.#lookedAt !== null && performance.now() - this.#lookedAt > STALE_MS) return NONE
    const live = [...this.#kept.values()].filter(({ approval }) => isLive(approval, principal, now))
    return live.length === 0 ? NONE : live.map(({ view }) => view).toSorted(byId)
  }
}

function byId(one: GrantSeen, other: GrantSeen): number {
  return one.id < other.id ? -1 : 1
}

/**
 * Whether a principal has this grant now. Not when its own owner answered it: who that is, only the token of the one who
 * uses it tells, and it may name another owner than the token did that asked.
 */
function isLive(approval: Approval, principal: Principal, now: number): boolean {
  const { grant, state, expiresAt, answers } = approval
  if (grant === undefined || state !== 'granted' || now >= expiresAt) return false
  if (!isSubject(grant, principal)) return false
  return !answers.some(({ by }) => by === principal.owner || by === principal.id || principal.act.includes(by))
}

/** A grant as policy sees it. */
function seen({ id, rule, expiresAt, answers }: Approval, grant: Grant): GrantSeen {
  const { plane, actions, resources, break_glass } = grant
  return {
    id,
    rule,
    plane,
    actions,
    resources,
    expires: new Date(expiresAt).toISOString(),
    break_glass,
    approved_by: answers.filter(({ answer }) => answer === 'approve').map(({ by }) => by),
  }
}
