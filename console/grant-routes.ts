import type { ApprovalLedger, Approval, ApprovalState, ReviewClosed } from '../engine/approvals/index.ts'
import { ApprovalError, type GrantAsk, type Grants, type Principal } from '../engine/index.ts'
import type { App, Request } from './app.ts'
import { mayRead, type Auditors } from './approval-routes.ts'
import { approvalShape, viewOf, type ApprovalView } from './approval-view.ts'
import * as shape from './shape.ts'

export interface GrantRoutes {
  readonly ledger: ApprovalLedger
  readonly grants: Grants
  readonly auditors: Auditors
  /** Who a request's token names; the server has checked it before any route is reached. */
  principalOf(request: Request): Principal
}

interface One {
  readonly Params: { readonly id: string }
}

const name = { type: 'string', minLength: 1, maxLength: 256, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }
const names = { type: 'array', items: name, minItems: 1, maxItems: 50, uniqueItems: true }
const reason = { type: 'string', maxLength: 2_000 }
const params = { type: 'object', properties: { id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' } } }
const query = {
  type: 'object',
  additionalProperties: false,
  properties: { state: { enum: ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'revoked'] } },
}
const ask = {
  type: 'object',
  additionalProperties: false,
  required: ['plane', 'actions', 'resources', 'seconds', 'reason'],
  properties: {
    agent: { ...name, nullable: true },
    plane: name,
    actions: names,
    resources: names,
    seconds: { type: 'integer', minimum: 60, maximum: 31 * 86_400 },
    reason: { ...reason, pattern: '\\S' },
    break_glass: { type: 'boolean' },
  },
}
const revocation = {
  type: 'object',
  additionalProperties: false,
  properties: { reason: { type: ['string', 'null'], maxLength: 2_000 } },
}
const review = {
  type: 'object',
  additionalProperties: false,
  required: ['finding', 'reason'],
  properties: { finding: { enum: ['justified', 'unjustified'] }, reason },
}

const tags = ['grants'] as const
const response = { 200: approvalShape }

type Asking = Omit<GrantAsk, 'agent' | 'break_glass'> & Partial<Pick<GrantAsk, 'agent' | 'break_glass'>>

/** Access for a time: asked for here, answered like a hold under /v1/approvals. One that the asker may not read is not there. */
export function grantRoutes(app: App, options: GrantRoutes): void {
  const { ledger, grants, auditors } = options
  const principalOf = (request: Request): Principal => options.principalOf(request)
  app.get<{ Querystring: { readonly state?: ApprovalState } }>(
    '/v1/grants',
    {
      schema: {
        summary: 'Grants that you may see: asked for, live and over',
        tags,
        querystring: query,
        response: { 200: shape.object({ grants: shape.list(approvalShape) }) },
      },
    },
    async (request) => {
      const principal = principalOf(request)
      const all = await ledger.list({ ...request.query, kind: 'grant' })
      const readable = all.filter((approval) => mayRead(approval, principal, auditors))
      return { grants: readable.map((approval) => viewOf(approval, principal)) }
    },
  )
  app.get<One>('/v1/grants/:id', { schema: { summary: 'One grant', tags, params, response } }, async (request) =>
    viewOf(await readable(request, options), principalOf(request)),
  )
  const asking = { summary: 'Asks for access for a time', tags, body: ask, response: { 201: approvalShape } }
  app.post<{ Body: Asking }>('/v1/grants', { schema: asking }, async (request, reply) => {
    const { agent = null, break_glass = false, ...more } = request.body
    const principal = principalOf(request)
    const asked = await grants.ask(principal, { ...more, agent, break_glass })
    return reply.code(201).send(viewOf(asked, principal))
  })
  app.post<One & { Body: { readonly reason?: string | null } }>(
    '/v1/grants/:id/revoke',
    { schema: { summary: 'Ends a grant before its time', tags, params, body: revocation, response } },
    async (request) => {
      const { id } = await readable(request, options)
      const by = principalOf(request)
      return viewOf(await ledger.revoke(id, { by, reason: request.body.reason ?? null }), by)
    },
  )
  app.post<One & { Body: { readonly finding: ReviewClosed['finding']; readonly reason: string } }>(
    '/v1/grants/:id/review',
    { schema: { summary: 'Closes the review of a break-glass', tags, params, body: review, response } },
    async (request): Promise<ApprovalView> => {
      const { id } = await readable(request, options)
      const by = principalOf(request)
      return viewOf(await ledger.review(id, { by, ...request.body }), by)
    },
  )
}

async function readable(request: Request<One>, options: GrantRoutes): Promise<Approval> {
  const { id } = request.params
  const approval = await options.ledger.get(id)
  const isThere = approval?.grant !== undefined && mayRead(approval, options.principalOf(request), options.auditors)
  if (isThere) return approval
  throw new ApprovalError('ERR_APPROVAL_UNKNOWN', `there is no grant ${id} that you may see`)
}
