import type { ApprovalView } from '../console/approval-view.ts'
import { duration, listed, needs, row, standing, visible, who, answerLine, next, stateTone } from './approval-page.ts'
import { plain, type Paint } from './colour.ts'

/** How a grant reads on a terminal: the same care as for a hold, in the same form. `now`: milliseconds since 1970. */
export function grantPage(approval: ApprovalView, now: number, paint: Paint = plain): string {
  const { grant, review, revoked, state, terms } = approval
  if (grant === undefined) throw new TypeError('a hold is no grant')
  const lines = [
    `${visible(approval.id)}  ${paint(stateTone(approval), standing(approval, now))}`,
    ...row('asks', [who(approval)]),
    ...row('for', [whose(approval)]),
    ...row('access', [`${grant.plane}: ${grant.actions.join(', ')}`]),
    ...row('to', grant.resources),
    ...row('lasting', [
      grant.break_glass ? `${duration(grant.seconds)}, taken at once: the glass was broken` : duration(grant.seconds),
    ]),
    ...row('reason', [grant.reason]),
    ...row('because', [`${approval.message}  (rule ${approval.rule})`]),
    ...(grant.break_glass ? [] : row('needs', [needs(approval)])),
    ...row('answers', approval.answers.map(answerLine)),
    ...row(
      'revoked',
      revoked === undefined
        ? ['']
        : [`by ${revoked.by} at ${revoked.at}${revoked.reason === null ? '' : `: ${revoked.reason}`}`],
    ),
    ...row('review', review === undefined ? [''] : [reviewLine(review, now)]),
    ...row('traces', [`decision ${approval.decision}, policy ${approval.policy.revision}`]),
  ]
  if (state === 'requested') lines.push(...row('next', [next(approval.id, terms.reason_required)]))
  if (state === 'granted') lines.push(...row('end it', [`countersign grants revoke ${approval.id}`]))
  if (review?.closed === null) {
    lines.push(...row('next', [`countersign grants review ${approval.id} --justified|--unjustified --reason "…"`]))
  }
  return `${lines.join('\n')}\n`
}

/** A line a grant. */
export function grantTable(grants: readonly ApprovalView[], now: number, paint: Paint = plain): string {
  const rows = grants.map((approval) => [
    visible(approval.id),
    standing(approval, now),
    visible(whose(approval)),
    visible(`${approval.grant?.actions.join(', ') ?? ''} on ${approval.grant?.resources.join(', ') ?? ''}`),
    visible(reviewOf(approval, now)),
  ])
  return listed(['ID', 'STATE', 'WHOSE', 'ACCESS', 'REVIEW'], rows, (column, at, text) => {
    const approval = grants[at]
    if (approval === undefined) return text
    if (column === 1) return paint(stateTone(approval), text)
    return column === 4 && approval.review?.closed === null ? paint('loud', text) : text
  })
}

const whose = ({ grant, requester }: ApprovalView): string => {
  const { id, act } = grant?.subject ?? requester
  return act.length === 0 ? id : `${id}, for ${act.join(', for ')}`
}

function reviewOf({ review }: ApprovalView, now: number): string {
  if (review === undefined) return ''
  if (review.closed !== null) return review.closed.finding
  return isLate(review, now) ? 'OVERDUE' : `due by ${review.due_at}`
}

function reviewLine(review: NonNullable<ApprovalView['review']>, now: number): string {
  if (review.closed !== null) {
    const { by, at, finding, reason } = review.closed
    return `${by} found it ${finding} at ${at}: ${reason}`
  }
  return isLate(review, now) ? `OVERDUE since ${review.due_at}` : `due by ${review.due_at}`
}

function isLate({ overdue, due_at }: NonNullable<ApprovalView['review']>, now: number): boolean {
  return overdue || now >= Date.parse(due_at)
}
