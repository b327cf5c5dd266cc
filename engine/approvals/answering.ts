import type { Principal } from '../access-request.ts'
import { ApprovalError } from '../errors.ts'
import type { Answer, Approval } from './approval.ts'

const MAX_REASON_LENGTH = 2_000

/** What a person says to a hold. */
export interface AnswerDraft {
  readonly by: Principal
  readonly answer: 'approve' | 'deny'
  readonly reason: string | null
}

/**
 * The approval after this answer. Throws ApprovalError for who may not answer, one code per rule. Ids are compared
 * without their issuers: that two providers vouch for one name must not make two people of it.
 */
export function answered(approval: Approval, draft: AnswerDraft, now: number): Approval {
  checkAnswerable(approval)
  checkPerson(approval, draft.by)
  const reason = checkReason(draft.reason, approval.terms.reason_required)
  const { by, answer } = draft
  const answers: readonly Answer[] = [...approval.answers, { by: by.id, issuer: by.issuer, answer, reason, at: now }]
  const state = outcome(approval, answers)
  const granted =
    state === 'granted' && approval.grant !== undefined ? { expiresAt: now + approval.grant.seconds * 1000 } : {}
  return { ...approval, ...granted, version: approval.version + 1, answers, state }
}

/** One no denies; enough distinct people's yes grants. */
function outcome({ terms }: Approval, answers: readonly Answer[]): 'requested' | 'granted' | 'denied' {
  if (answers.some(({ answer }) => answer === 'deny')) return 'denied'
  const people = new Set(answers.map(({ by }) => by))
  return people.size >= terms.quorum ? 'granted' : 'requested'
}

function checkAnswerable({ id, state }: Approval): void {
  switch (state) {
    case 'requested':
      return
    case 'expired':
      throw new ApprovalError('ERR_APPROVAL_EXPIRED', `approval ${id} has expired: the client must ask again`)
    case 'granted':
    case 'denied':
    case 'withdrawn':
    case 'used':
    case 'revoked':
      throw new ApprovalError('ERR_APPROVAL_STATE', `approval ${id} can't be answered any more: it is ${state}`)
  }
}

function checkPerson(approval: Approval, by: Principal): void {
  checkApart(approval, by)
  if (approval.answers.some((answer) => answer.by === by.id)) {
    throw new ApprovalError('ERR_APPROVAL_TWICE', `${by.id} has answered already: another person must`)
  }
}

/** A person that is asked, and is neither who asks, nor who gains by it, nor answers for either. */
export function checkApart({ requester, terms, grant }: Approval, by: Principal): void {
  // A token through which somebody else acts is not the person's own word, whatever its subject.
  if (by.kind !== 'person' || by.act.length > 0) {
    throw new ApprovalError('ERR_APPROVAL_PERSON', 'only a person, signed in as themselves, can answer')
  }
  const asking = [
    requester.id,
    ...requester.act,
    ...(grant === undefined ? [] : [grant.subject.id, ...grant.subject.act]),
  ]
  if (asking.includes(by.id)) {
    throw new ApprovalError('ERR_APPROVAL_SELF', 'nobody answers their own request: ask another approver')
  }
  if (by.id === requester.owner) {
    throw new ApprovalError(
      'ERR_APPROVAL_OWNER',
      `the owner of ${requester.id} can't answer for it: ask another approver`,
    )
  }
  if (!mayAnswer(terms.approvers, by)) {
    const groups = terms.approvers.join(', ')
    throw new ApprovalError('ERR_APPROVAL_GROUP', `only members of ${groups} can answer this`)
  }
}

/** What keeps a principal from answering, as the error that an answer would meet; null: nothing does. */
export function obstacle(approval: Approval, by: Principal): ApprovalError | null {
  try {
    checkAnswerable(approval)
    checkPerson(approval, by)
    return null
  } catch (error) {
    if (error instanceof ApprovalError) return error
    throw error
  }
}

/** Whether a principal is in a group that is asked. */
export function mayAnswer(approvers: readonly string[], { groups }: Pick<Principal, 'groups'>): boolean {
  return groups.some((group) => approvers.includes(group))
}

/** The reason without white space around it; null for none. Throws ERR_APPROVAL_REASON. */
export function checkReason(given: string | null, isRequired: boolean): string | null {
  const reason = given?.trim() ?? ''
  if (reason.length > MAX_REASON_LENGTH || !reason.isWellFormed()) {
    throw new ApprovalError('ERR_APPROVAL_REASON', `a reason is text of at most ${MAX_REASON_LENGTH} characters`)
  }
  if (reason !== '') return reason
  if (isRequired) throw new ApprovalError('ERR_APPROVAL_REASON', 'policy asks for a reason: give one')
  return null
}
