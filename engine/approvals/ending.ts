import type { Principal } from '../access-request.ts'
import { ApprovalError } from '../errors.ts'
import { checkApart, checkReason, mayAnswer } from './answering.ts'
import type { Approval } from './approval.ts'
import { isSubject, type ReviewClosed } from './grant.ts'

export interface RevocationDraft {
  readonly by: Principal
  readonly reason: string | null
}

export interface ReviewDraft {
  readonly by: Principal
  readonly finding: ReviewClosed['finding']
  readonly reason: string | null
}

/**
 * The grant after somebody has ended it, or taken back the question. Whoever could have said no may, and so may who has
 * it, who asked and who owns the agent: less access needs fewer people than more.
 */
export function revoked(approval: Approval, { by, reason }: RevocationDraft, now: number): Approval {
  const { id, state, version } = approval
  checkMayEnd(approval, by)
  const said = checkReason(reason, false)
  if (state === 'requested') return { ...approval, version: version + 1, state: 'withdrawn' }
  if (state !== 'granted') throw new ApprovalError('ERR_APPROVAL_STATE', `grant ${id} can't be revoked: it is ${state}`)
  const revocation = { by: by.id, issuer: by.issuer, reason: said, at: now }
  return { ...approval, version: version + 1, state: 'revoked', revoked: revocation }
}

function checkMayEnd({ id, grant, requester, terms }: Approval, by: Principal): void {
  if (grant === undefined) throw new ApprovalError('ERR_APPROVAL_UNKNOWN', `there is no grant ${id}`)
  if (isSubject(grant, by)) return
  if (by.id === requester.id && by.issuer === requester.issuer) return
  const isPerson = by.kind === 'person' && by.act.length === 0
  if (isPerson && (by.id === requester.owner || mayAnswer(terms.approvers, by))) return
  const message = `only ${terms.approvers.join(', ')}, who asked and the agent's owner can revoke this`
  throw new ApprovalError('ERR_APPROVAL_GROUP', message)
}

/** The break-glass after somebody has looked at it: a person other than who took it, once, with a reason. */
export function reviewed(approval: Approval, { by, finding, reason }: ReviewDraft, now: number): Approval {
  const { id, review, version } = approval
  if (review === undefined) throw new ApprovalError('ERR_APPROVAL_STATE', `${id} owes no review: no glass was broken`)
  checkApart(approval, by)
  if (review.closed !== null) {
    throw new ApprovalError('ERR_APPROVAL_STATE', `the review of ${id} was closed by ${review.closed.by}`)
  }
  const closed = { by: by.id, issuer: by.issuer, finding, reason: checkReason(reason, true) ?? '', at: now }
  return { ...approval, version: version + 1, review: { ...review, closed } }
}

/** The break-glass once its time of review has passed with nobody looking; null: it has not. */
export function overdue(approval: Approval, now: number): Approval | null {
  const { review, version } = approval
  if (review === undefined || review.closed !== null || review.overdue || now < review.dueAt) return null
  return { ...approval, version: version + 1, review: { ...review, overdue: true } }
}
