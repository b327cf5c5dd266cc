import { MAX_ARCHIVE_BYTES } from '../engine/policy/index.ts'
import type { Principal } from '../engine/index.ts'
import type { PolicyLife, PolicyStatus } from '../engine/lifecycle/index.ts'
import type { Shadow } from '../engine/shadow/index.ts'
import { rolesOf, type Access } from './access.ts'
import type { App, Request } from './app.ts'
import { bundleDifference, bundleShape, bundleView, differenceShape } from './policy-bundle-view.ts'
import { policyShape, policyStatusView, proposalShape, proposalView, shadowShape } from './policy-view.ts'

export interface PolicyRoutes {
  readonly policies: PolicyLife
  readonly shadow: Shadow
  readonly access: Access
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

const tags = ['policy'] as const
const status = { 200: policyShape }
const proposal = { 200: proposalShape }

/** The life of policies over HTTP. A bundle is sent as it is; only who may propose gets as far as its body being read. */
export function policyRoutes(app: App, routes: PolicyRoutes): void {
  reading(app, routes)
  changes(app, routes)
  shadowRoutes(app, routes)
}

/** What is in force and what is proposed; auditors may look as well. */
function reading(app: App, { policies, access, principalOf }: PolicyRoutes): void {
  const look = (request: Request): Promise<PolicyStatus> => {
    const by = principalOf(request)
    return rolesOf(by, access).includes('auditor') ? policies.look() : policies.status(by)
  }
  app.get(
    '/v1/policy',
    { schema: { summary: 'Which policy is in force, and what is proposed', tags, response: status } },
    async (request) => policyStatusView(await look(request)),
  )
  app.get<One>(
    '/v1/policy/bundles/:digest',
    {
      schema: {
        summary: 'The rules of a bundle, with their controls and tests',
        tags,
        params,
        response: { 200: bundleShape },
      },
    },
    async (request) => {
      await look(request)
      return bundleView(await policies.opened(request.params.digest))
    },
  )
  app.get<One>(
    '/v1/policy/bundles/:digest/difference',
    {
      schema: {
        summary: 'What a bundle changes of the one in force',
        tags,
        params,
        response: { 200: differenceShape },
      },
    },
    async (request) => {
      const { active } = await look(request)
      const candidate = await policies.opened(request.params.digest)
      return bundleDifference(active === null ? null : await policies.opened(active.policy.digest), candidate)
    },
  )
}

function changes(app: App, { policies, principalOf }: PolicyRoutes): void {
  app.addContentTypeParser(ARCHIVE, { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post<{ Body: Uint8Array }>(
    '/v1/policy/proposals',
    {
      bodyLimit: MAX_ARCHIVE_BYTES,
      preParsing: async (request) => policies.checkOperator(principalOf(request)),
      schema: {
        summary: 'Proposes a bundle: its archive, as application/gzip',
        tags,
        response: proposal,
        headers: { type: 'object', properties: { 'content-type': { const: ARCHIVE } } },
      },
    },
    async (request) => proposalView(await policies.propose(principalOf(request), request.body)),
  )
  app.post<One>(
    '/v1/policy/proposals/:digest/tests',
    { schema: { summary: 'Takes an in-toto test result over a proposed bundle', tags, params, response: proposal } },
    async (request) =>
      proposalView(await policies.reportTest(principalOf(request), request.params.digest, request.body)),
  )
  app.post<One & { Body: { readonly answer: 'approve' | 'reject'; readonly reason?: string | null } }>(
    '/v1/policy/proposals/:digest/review',
    { schema: { summary: 'Another person’s review', tags, params, body: review, response: proposal } },
    async (request) => {
      const { answer, reason = null } = request.body
      return proposalView(await policies.review(principalOf(request), request.params.digest, answer, reason))
    },
  )
  app.post<{ Body: { readonly digest: string } }>(
    '/v1/policy/activate',
    { schema: { summary: 'Puts a proposed policy in force', tags, body: digestOnly, response: status } },
    async (request) => policyStatusView(await policies.activate(principalOf(request), request.body.digest)),
  )
  app.post(
    '/v1/policy/rollback',
    { schema: { summary: 'Back to the policy before', tags, response: status } },
    async (request) => policyStatusView(await policies.rollback(principalOf(request))),
  )
}

function shadowRoutes(app: App, { shadow, principalOf }: PolicyRoutes): void {
  const response = { 200: shadowShape }
  app.get(
    '/v1/policy/shadow',
    { schema: { summary: 'What a candidate would have decided', tags, response } },
    (request) => shadow.status(principalOf(request)),
  )
  app.post<{ Body: { readonly digest: string } }>(
    '/v1/policy/shadow',
    { schema: { summary: 'Runs a candidate beside the live policy', tags, body: digestOnly, response } },
    (request) => shadow.run(principalOf(request), request.body.digest),
  )
  app.delete('/v1/policy/shadow', { schema: { summary: 'Ends the candidate’s run', tags, response } }, (request) =>
    shadow.end(principalOf(request)),
  )
}
