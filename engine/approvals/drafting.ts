import { ApprovalError } from '../errors.ts'
import type { Approval, ApprovalDraft } from './approval.ts'

/** A hold, or a grant that is asked for, at its beginning. */
export function drafted(draft: ApprovalDraft, id: string, now: number): Approval {
  const { digest, decision, session, rule, message, summary, requester, policy, grant } = draft
  const { approvers, quorum, expires_in, reason_required } = checkedTerms(draft)
  return {
    id,
    version: 1,
    state: 'requested',
    digest,
    requester: {
      id: requester.id,
      kind: requester.kind,
      act: requester.act,
      owner: requester.owner,
      issuer: requester.issuer,
    },
    decision,
    session,
    policy: { revision: policy.revision, digest: policy.digest },
    rule,
    message,
    terms: { approvers, quorum, expires_in, reason_required },
    summary,
    requestedAt: now,
    expiresAt: now + Math.round(expires_in * 1000),
    answers: [],
    ...(grant === undefined ? {} : { grant }),
  }
}

/** A break-glass: in force at once, for as long as was asked; its terms are those of the review that it owes. */
export function taken(draft: ApprovalDraft, id: string, now: number): Approval {
  const asked = drafted(draft, id, now)
  const { grant } = draft
  if (grant === undefined) throw new ApprovalError('ERR_APPROVAL_TERMS', 'only a grant is taken without an answer')
  const review = { dueAt: asked.expiresAt, overdue: false, closed: null }
  return { ...asked, state: 'granted', expiresAt: now + grant.seconds * 1000, review }
}

/** Terms that nobody could meet, or that anybody would, are refused here whatever policy let through. */
function checkedTerms({ terms, grant }: ApprovalDraft): ApprovalDraft['terms'] {
  const { approvers, quorum, expires_in } = terms
  if (approvers.length === 0 || !Number.isSafeInteger(quorum) || quorum < 1) {
    throw new ApprovalError('ERR_APPROVAL_TERMS', 'a hold needs a group of approvers and a quorum of at least 1')
  }
  if (!(expires_in > 0) || !Number.isSafeInteger(Math.round(expires_in * 1000))) {
    throw new ApprovalError('ERR_APPROVAL_TERMS', 'a hold needs a time after which it expires, in seconds above 0')
  }
  if (grant !== undefined && !(Number.isSafeInteger(grant.seconds * 1000) && grant.seconds >= 1)) {
    throw new ApprovalError('ERR_APPROVAL_TERMS', 'a grant needs a time, in whole seconds above 0')
  }
  return terms
}
