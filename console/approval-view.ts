import { Ajv } from 'ajv'
import { obstacle, type Answer, type Approval } from '../engine/approvals/index.ts'
import type { Principal } from '../engine/index.ts'
import * as shape from './shape.ts'

/** An approval as the HTTP API tells it. Times are RFC 3339, UTC. */
export type ApprovalView = Omit<Approval, 'version' | 'requestedAt' | 'expiresAt' | 'answers'> & {
  readonly requested_at: string
  readonly expires_at: string
  readonly answers: readonly (Omit<Answer, 'at'> & { readonly at: string })[]
  /** Whether the asker may answer it now; why not, as a code of docs/errors.md and in words. */
  readonly you?: { readonly may_answer: boolean; readonly code: string | null; readonly why_not: string | null }
}

export function viewOf(approval: Approval, asker: Principal): ApprovalView {
  const { version: _, requestedAt, expiresAt, answers, ...rest } = approval
  const why = obstacle(approval, asker)
  return {
    ...rest,
    requested_at: shape.rfc3339(requestedAt),
    expires_at: shape.rfc3339(expiresAt),
    answers: answers.map((answer) => ({ ...answer, at: shape.rfc3339(answer.at) })),
    you: { may_answer: why === null, code: why?.code ?? null, why_not: why?.message ?? null },
  }
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
  state: { enum: ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used'] },
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
