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
    requested_at: rfc3339(requestedAt),
    expires_at: rfc3339(expiresAt),
    answers: answers.map(timed),
    ...(review === undefined ? {} : { review: reviewView(review) }),
    ...(revoked === undefined ? {} : { revoked: timed(revoked) }),
    you: { may_answer: why === null, code: why?.code ?? null, why_not: why?.message ?? null },
  }
}

function reviewView({ dueAt, overdue, closed }: Review): NonNullable<ApprovalView['review']> {
  return { due_at: rfc3339(dueAt), overdue, closed: closed === null ? null : timed(closed) }
}

function timed<Said extends { readonly at: number }>(said: Said): At<Said> {
  return { ...said, at: rfc3339(said.at) }
}

function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

const text = { type: 'string' } as const
const texts = { type: 'array', items: text } as const
const optionalText = { type: ['string', 'null'] } as const
const time = { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' } as const

/** All of `properties` required; more is let through, so that a newer gateway can be asked by an older client. */
function object(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', required: Object.keys(properties), properties }
}

const schema = object({
  id: text,
  state: { enum: STATES },
  digest: text,
  requester: object({ id: text, kind: text, act: texts, owner: optionalText, issuer: text }),
  decision: text,
  session: text,
  policy: object({ revision: text, digest: text }),
  rule: text,
  message: text,
  terms: object({
    approvers: texts,
    quorum: { type: 'integer' },
    expires_in: { type: 'number' },
    reason_required: { type: 'boolean' },
  }),
  summary: { type: 'object' },
  requested_at: time,
  expires_at: time,
  answers: {
    type: 'array',
    items: object({ by: text, issuer: text, answer: { enum: ['approve', 'deny'] }, reason: optionalText, at: time }),
  },
})

const ajv = new Ajv({ allowUnionTypes: true })
const compiled = ajv.compile<ApprovalView>(schema)

/** Whether what an API answered is an approval. */
export function isApprovalView(value: unknown): value is ApprovalView {
  return compiled(value)
}
