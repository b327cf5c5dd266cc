import type { Principal } from '../access-request.ts'

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

/** Whether a grant is of this principal. */
export function isSubject({ subject }: Grant, { id, issuer, act }: GrantSubject): boolean {
  return id === subject.id && issuer === subject.issuer && act.join('\n') === subject.act.join('\n')
}
