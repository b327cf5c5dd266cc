import {
  isSubject,
  mayAnswer,
  STATES,
  type Approval,
  type ApprovalLedger,
  type ApprovalState,
} from '../engine/approvals/index.ts'
import { ApprovalError, type Principal } from '../engine/index.ts'
import type { App, Request } from './app.ts'
import { approvalShape, viewOf, type ApprovalView } from './approval-view.ts'
import { earlierOf } from './earlier-requests.ts'
import * as shape from './shape.ts'

/** Whose members may read every approval. */
export interface Auditors {
  readonly groups: readonly string[]
  readonly roles: readonly string[]
}

export interface ApprovalRoutes {
  readonly ledger: ApprovalLedger
  readonly auditors: Auditors
  /** Who a request's token names; the server has checked it before any route is reached. */
  principalOf(request: Request): Principal
}

interface One {
  readonly Params: { readonly id: string }
}
interface Answering extends One {
  readonly Body: { readonly reason?: string | null }
}

const params = {
  type: 'object',
  properties: { id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } },
}
const query = {
  type: 'object',
  additionalProperties: false,
  properties: { state: { enum: STATES } },
}
const body = {
  type: 'object',
  additionalProperties: false,
  properties: { reason: { type: ['string', 'null'], maxLength: 2_000 } },
}

/** The approvals API. A hold that the asker may not read is, to them, not there. */
export function approvalRoutes(app: App, options: ApprovalRoutes): void {
  app.get<{ Querystring: { readonly state?: ApprovalState } }>(
    '/v1/approvals',
    {
      schema: {
        summary: 'Holds that you may see',
        tags: ['approvals'],
        querystring: query,
        response: { 200: shape.object({ approvals: shape.list(approvalShape) }) },
      },
    },
    async (request) => {
      const approvals = await options.ledger.list(request.query)
      const principal = options.principalOf(request)
      const readable = approvals.filter((approval) => mayRead(approval, principal, options.auditors))
      return { approvals: readable.map((approval) => viewOf(approval, principal)) }
    },
  )
  app.get<One>(
    '/v1/approvals/:id',
    { schema: { summary: 'One hold', tags: ['approvals'], params, response: { 200: approvalShape } } },
    async (request) => {
      const approval = await readable(request, options)
      const { requester } = approval
      const earlier = earlierOf(approval, await options.ledger.list({ requester }))
      return { ...viewOf(approval, options.principalOf(request)), earlier }
    },
  )
  for (const answer of ['approve', 'deny'] as const) {
    const summary = answer === 'approve' ? 'Says yes to a hold' : 'Says no to a hold'
    const schema = { summary, tags: ['approvals'], params, body, response: { 200: approvalShape } }
    app.post<Answering>(`/v1/approvals/:id/${answer}`, { schema }, (request) => take(answer, request, options))
  }
}

async function take(
  answer: 'approve' | 'deny',
  request: Request<Answering>,
  options: ApprovalRoutes,
): Promise<ApprovalView> {
  const { id } = await readable(request, options)
  const reason = request.body.reason ?? null
  const by = options.principalOf(request)
  return viewOf(await options.ledger.answer(id, { by, answer, reason }), by)
}

async function readable(request: Request<One>, options: ApprovalRoutes): Promise<Approval> {
  const { id } = request.params
  const approval = await options.ledger.get(id)
  if (approval !== null && mayRead(approval, options.principalOf(request), options.auditors)) return approval
  throw new ApprovalError('ERR_APPROVAL_UNKNOWN', `there is no approval ${id} that you may see`)
}

/** Whether a principal may read what concerns everybody. */
export function isAuditor(principal: Principal, auditors: Auditors): boolean {
  return (
    principal.groups.some((group) => auditors.groups.includes(group)) ||
    principal.roles.some((role) => auditors.roles.includes(role))
  )
}

/** Its requester, who has what is granted, the people that are asked, and auditors. An agent in a group of approvers is not asked. */
export function mayRead({ requester, terms, grant }: Approval, principal: Principal, auditors: Auditors): boolean {
  if (grant !== undefined && isSubject(grant, principal)) return true
  if (principal.id === requester.id && principal.issuer === requester.issuer) return true
  if (principal.kind === 'person' && mayAnswer(terms.approvers, principal)) return true
  return isAuditor(principal, auditors)
}
