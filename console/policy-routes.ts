import { MAX_ARCHIVE_BYTES } from '../engine/policy/index.ts'
import type { Principal } from '../engine/index.ts'
import type { PolicyLife } from '../engine/lifecycle/index.ts'
import type { Shadow } from '../engine/shadow/index.ts'
import type { App, Request } from './app.ts'
import { policyStatusView, proposalView } from './policy-view.ts'

export interface PolicyRoutes {
  readonly policies: PolicyLife
  readonly shadow: Shadow
  /** Who a request's token names; the server has checked it before any route is reached. */
  readonly principalOf: (request: Request) => Principal
}

interface One {
  readonly Params: { readonly digest: string }
}

const ARCHIVE = 'application/gzip'
const params = { type: 'object', properties: { digest: { type: 'string', pattern: '^[0-9a-f]{64}$' } } }
const review = {
  type: 'object',
  additionalProperties: false,
  required: ['answer'],
  properties: {
    answer: { enum: ['approve', 'reject'] },
    reason: { type: ['string', 'null'], maxLength: 2_000 },
  },
}
const digestOnly = {
  type: 'object',
  additionalProperties: false,
  required: ['digest'],
  properties: { digest: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
}

/** The life of policies over HTTP. A bundle is sent as it is; only who may propose gets as far as its body being read. */
export function policyRoutes(app: App, { policies, shadow, principalOf }: PolicyRoutes): void {
  app.addContentTypeParser(ARCHIVE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.get('/v1/policy', async (request) => policyStatusView(await policies.status(principalOf(request))))
  app.post<{ Body: Uint8Array }>(
    '/v1/policy/proposals',
    {
      bodyLimit: MAX_ARCHIVE_BYTES,
      preParsing: async (request) => policies.checkOperator(principalOf(request)),
      schema: { headers: { type: 'object', properties: { 'content-type': { const: ARCHIVE } } } },
    },
    async (request) => proposalView(await policies.propose(principalOf(request), request.body)),
  )
  app.post<One>('/v1/policy/proposals/:digest/tests', { schema: { params } }, async (request) =>
    proposalView(await policies.reportTest(principalOf(request), request.params.digest, request.body)),
  )
  app.post<One & { Body: { readonly answer: 'approve' | 'reject'; readonly reason?: string | null } }>(
    '/v1/policy/proposals/:digest/review',
    { schema: { params, body: review } },
    async (request) => {
      const { answer, reason = null } = request.body
      return proposalView(await policies.review(principalOf(request), request.params.digest, answer, reason))
    },
  )
  app.post<{ Body: { readonly digest: string } }>(
    '/v1/policy/activate',
    { schema: { body: digestOnly } },
    async (request) => policyStatusView(await policies.activate(principalOf(request), request.body.digest)),
  )
  app.post('/v1/policy/rollback', async (request) => policyStatusView(await policies.rollback(principalOf(request))))
  app.get('/v1/policy/shadow', (request) => shadow.status(principalOf(request)))
  app.post<{ Body: { readonly digest: string } }>('/v1/policy/shadow', { schema: { body: digestOnly } }, (request) =>
    shadow.run(principalOf(request), request.body.digest),
  )
  app.delete('/v1/policy/shadow', (request) => shadow.end(principalOf(request)))
}
