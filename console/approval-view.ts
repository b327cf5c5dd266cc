import { Ajv } from 'ajv'
import {
  obstacle,
  STATES,
  type Answer,
  type Approval,
  type Review,
  type ReviewClosed,
  type Revocation,
} from '../engine/approvals/index.ts'
import type { Principal } from '../engine/index.ts'
import type { EarlierRequests } from './earlier-requests.ts'
import * as shape from './shape.ts'

/** An approval as the HTTP API tells it. Times are RFC 3339, UTC. */
export type ApprovalView = Omit<
  Approval,
  'version' | 'requestedAt' | 'expiresAt' | 'answers' | 'review' | 'revoked'
> & {
  readonly requested_at: string
  readonly expires_at: string
  readonly answers: readonly At<Answer>[]
  /** Of a break-glass. */
  readonly review?: { readonly due_at: string; readonly overdue: boolean; readonly closed: At<ReviewClosed> | null }
  readonly revoked?: At<Revocation>
  /** What was asked like this before; told of one approval, not in a list. */
  readonly earlier?: EarlierRequests
  /** Whether the asker may answer it now; why not, as a code of docs/errors.md and in words. */
  readonly you?: { readonly may_answer: boolean; readonly code: string | null; readonly why_not: string | null }
}

type At<Said extends { readonly at: number }> = Omit<Said, 'at'> & { readonly at: string }

export function viewOf(approval: Approval, asker: Principal): ApprovalView {
  const { version: _, requestedAt, expiresAt, answers, review, revoked, ...rest } = approval
  const why = obstacle(approval, asker)
  return {
    ...rest,
    requested_at: shape.rfc3339(requestedAt),
    expires_at: shape.rfc3339(expiresAt),
    answers: answers.map(timed),
    ...(review === undefined ? {} : { review: reviewView(review) }),
    ...(revoked === undefined ? {} : { revoked: timed(revoked) }),
    you: { may_answer: why === null, code: why?.code ?? null, why_not: why?.message ?? null },
  }
}

function reviewView({ dueAt, overdue, closed }: Review): NonNullable<ApprovalView['review']> {
  return { due_at: shape.rfc3339(dueAt), overdue, closed: closed === null ? null : timed(closed) }
}

function timed<Said extends { readonly at: number }>(said: Said): At<Said> {
  return { ...said, at: shape.rfc3339(said.at) }
}

const answer = shape.object({
  by: shape.text,
  issuer: shape.text,
  answer: { enum: ['approve', 'deny'] },
  reason: shape.optionalText,
  at: shape.time,
})

export const approvalShape: shape.Shape = shape.object({
  id: shape.text,
  state: { enum: STATES },
  digest: shape.text,
  requester: shape.object({
    id: shape.text,
    kind: shape.text,
    act: shape.texts,
    owner: shape.optionalText,
    issuer: shape.text,
  }),
  decision: shape.text,
  session: shape.text,
  policy: shape.object({ revision: shape.text, digest: shape.text }),
  rule: shape.text,
  message: shape.text,
  terms: shape.object({
    approvers: shape.texts,
    quorum: { type: 'integer' },
    expires_in: { type: 'number' },
    reason_required: shape.flag,
  }),
  summary: shape.anything,
  requested_at: shape.time,
  expires_at: shape.time,
  answers: shape.list(answer),
})

const ajv = new Ajv({ allowUnionTypes: true })
const compiled = ajv.compile<ApprovalView>(approvalShape)

/** Whether what an API answered is an approval. */
export function isApprovalView(value: unknown): value is ApprovalView {
  return compiled(value)
}
