import { Ajv } from 'ajv'
import { obstacle, type Answer, type Approval } from '../engine/approvals/index.ts'
import type { Principal } from '../engine/index.ts'

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
    requested_at: rfc3339(requestedAt),
    expires_at: rfc3339(expiresAt),
    answers: answers.map((answer) => ({ ...answer, at: rfc3339(answer.at) })),
    you: { may_answer: why === null, code: why?.code ?? null, why_not: why?.message ?? null },
  }
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
  state: { enum: ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used'] },
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
