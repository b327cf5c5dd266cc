import type { SqsStackLine } from './sqs-stack.ts'

/** Answers a hold over the gateway's API, as `countersign approvals` would. */
export async function answerHold(
  line: SqsStackLine,
  person: 'approver' | 'approver2' | 'owner' | 'agent',
  approval: string,
  answer: 'approve' | 'deny',
): Promise<number> {
  const headers = { authorization: `Bearer ${line.principals[person].token}`, 'content-type': 'application/json' }
  const response = await fetch(`${line.api}/v1/approvals/${approval}/${answer}`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ reason: 'seen' }),
  })
  return response.status
}
