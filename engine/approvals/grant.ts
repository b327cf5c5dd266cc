import type { GrantSeen, Principal } from '../access-request.ts'
import type { Approval } from './approval.ts'

/** Whose access it is: exactly this principal, through exactly these actors. */
export type GrantSubject = Pick<Principal, 'id' | 'issuer' | 'act'>

/** An approval of a scope for a time. What it lets through is policy's to say, each time anew. */
export type Grant = {
  readonly subject: GrantSubject
  readonly plane: string
  /** Names of actions (`postgres.update`) or classes of them (`write`). */
  readonly actions: readonly string[]
  /** Names of resources; one that ends in `*` is the beginning of names. */
  readonly resources: readonly string[]
  /** How long, from when it is granted. */
  readonly seconds: number
  readonly reason: string
  /** Taken at once, and reviewed afterwards. */
  readonly break_glass: boolean
}

/** What a break-glass owes: somebody's word that it was right, or that it wasn't. */
export type Review = {
  /** Milliseconds since 1970. */
  readonly dueAt: number
  /** Whether evidence has been told that nobody looked in time. */
  readonly overdue: boolean
  readonly closed: ReviewClosed | null
}

export type ReviewClosed = {
  readonly by: string
  readonly issuer: string
  readonly finding: 'justified' | 'unjustified'
  readonly reason: string
  readonly at: number
}

export type Revocation = {
  readonly by: string
  readonly issuer: string
  readonly reason: string | null
  readonly at: number
}

/**
 * Whether a principal has this grant now. Not when its own owner answered it: who that is, only the token of the one who
 * uses it tells, and it may name another owner than the token did that asked.
 */
export function isLive(approval: Approval, principal: Principal, now: number): boolean {
  const { grant, state, expiresAt, answers } = approval
  if (grant === undefined || state !== 'granted' || now >= expiresAt) return false
  if (!isSubject(grant, principal)) return false
  return !answers.some(({ by }) => by === principal.owner || by === principal.id || principal.act.includes(by))
}

/** Whether a grant is of this principal. */
export function isSubject({ subject }: Grant, { id, issuer, act }: GrantSubject): boolean {
  return id === subject.id && issuer === subject.issuer && act.join('\n') === subject.act.join('\n')
}

/** A grant as policy sees it. */
export function seen({ id, rule, expiresAt, answers }: Approval, grant: Grant): GrantSeen {
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
