import type { Answer, Approval } from '../engine/approvals/index.ts'

/** An approval as the HTTP API tells it. Times are RFC 3339, UTC. */
export type ApprovalView = Omit<Approval, 'version' | 'requestedAt' | 'expiresAt' | 'answers'> & {
  readonly requested_at: string
  readonly expires_at: string
  readonly answers: readonly (Omit<Answer, 'at'> & { readonly at: string })[]
}

export function viewOf(approval: Approval): ApprovalView {
  const { version: _, requestedAt, expiresAt, answers, ...rest } = approval
  return {
    ...rest,
    requested_at: rfc3339(requestedAt),
    expires_at: rfc3339(expiresAt),
    answers: answers.map((answer) => ({ ...answer, at: rfc3339(answer.at) })),
  }
}

function rfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
