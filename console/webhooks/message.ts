import type { ApprovalEvent } from '../../engine/approvals/index.ts'
import type { JsonValue } from '../../engine/index.ts'

/**
 * What another program is told of an approval: names, never values. No statement, parameter, message of a rule or reason of
 * a person is in it: any of those can hold what policy masks, and where this goes nobody has to sign in.
 */
export function messageOf({ event, approval }: ApprovalEvent, now: number): string {
  const { id, state, requester, terms, rule, answers, expiresAt, grant, review, summary } = approval
  const data = {
    id,
    kind: grant === undefined ? 'hold' : grant.break_glass ? 'break_glass' : 'grant',
    state,
    requester: { id: requester.id, kind: requester.kind, owner: requester.owner },
    action: nameOf(summary['action']),
    resources: grant?.resources ?? listOf(summary['resources']).map(nameOf),
    rule,
    approvers: terms.approvers,
    quorum: terms.quorum,
    approved: answers.filter(({ answer }) => answer === 'approve').length,
    expires_at: new Date(expiresAt).toISOString(),
    ...(review === undefined ? {} : { review_due_at: new Date(review.dueAt).toISOString() }),
  }
  return JSON.stringify({ type: event, timestamp: new Date(now).toISOString(), data })
}

/** The message with the way to the console in it; the same at every attempt. */
export function withLink(body: string, link: string): string {
  const message: { data: object } = JSON.parse(body)
  return JSON.stringify({ ...message, data: { ...message.data, link } })
}

function nameOf(value: JsonValue | undefined): string {
  const name = typeof value === 'object' && value !== null && !isList(value) ? value['name'] : null
  return typeof name === 'string' ? name : ''
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return isList(value) ? value : []
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
