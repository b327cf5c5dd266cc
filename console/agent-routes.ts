import { rulesOf } from '../engine/controls/index.ts'
import type { Revocation, Revocations, Target } from '../engine/identity/index.ts'
import { IdentityError, type JsonObject, type Principal } from '../engine/index.ts'
import type { AgentRow, OverviewDoor } from '../engine/overview/index.ts'
import type { PolicyStore } from '../engine/policy/index.ts'
import { type Access, lookers, requireRole } from './access.ts'
import {
  agentShape,
  agentView,
  agentWholeShape,
  revocationShape,
  revocationView,
  type AgentView,
} from './agent-view.ts'
import type { App, Request } from './app.ts'
import * as shape from './shape.ts'

export interface AgentRoutes {
  readonly access: Access
  readonly overview: OverviewDoor
  readonly policy: PolicyStore
  readonly revocations: Revocations
  principalOf(request: Request): Principal
  now(): number
}

interface One {
  readonly Params: { readonly agent: string }
}

interface Reasoned {
  readonly Body: { readonly reason: string }
}

/** Who was seen last comes first; more than these have to be asked for by name. */
const MOST_SEEN = 1_000
const MOST_REVOCATIONS = 1_000

const name: shape.Shape = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }
const params = { type: 'object', required: ['agent'], properties: { agent: name } }
const reason: shape.Shape = { type: 'string', maxLength: 2_000, pattern: '\\S' }
const reasoned = shape.body({ reason }, ['reason'])
const revoking = shape.body(
  {
    token: {
      ...name,
      maxLength: 1_024,
      description: "a token's id (jti), an assertion's ID, or a token's SHA-256 in hex",
    },
    subject: { ...name, description: 'whose tokens: an agent, a person, a client' },
    issuer: { ...name, maxLength: 1_024, description: 'whose tokens: an identity provider' },
    issued_before: { ...shape.time, description: 'of a subject or an issuer; now, where it is left out' },
    reason,
  },
  ['reason'],
)

interface Revoking {
  readonly token?: string
  readonly subject?: string
  readonly issuer?: string
  readonly issued_before?: string
  readonly reason: string
}

const tags = ['agents'] as const

/** Agents under review: who they are, what they did, which rules they met; out of service, and back; credentials revoked. */
export function agentRoutes(app: App, options: AgentRoutes): void {
  const { access, revocations } = options
  const principalOf = (request: Request): Principal => options.principalOf(request)
  const mayLook = lookers(access, principalOf)
  const mayAct = async (request: Request): Promise<void> => requireRole(principalOf(request), access, 'operator')

  app.get(
    '/v1/agents',
    {
      preHandler: mayLook,
      schema: {
        summary: 'Every agent that is registered, was seen, or is in quarantine',
        tags,
        response: { 200: shape.object({ agents: shape.list(agentShape) }) },
      },
    },
    async () => ({ agents: await listOf(options) }),
  )
  app.get<One>(
    '/v1/agents/:agent',
    {
      preHandler: mayLook,
      schema: { summary: 'One agent, and the rules that it met', tags, params, response: { 200: agentWholeShape } },
    },
    async (request) => wholeOf(request.params.agent, options),
  )
  app.post<One & Reasoned>(
    '/v1/agents/:agent/quarantine',
    {
      preHandler: mayAct,
      schema: { summary: 'Takes an agent out of service', tags, params, body: reasoned, response: { 200: agentShape } },
    },
    async (request) => {
      const { agent } = request.params
      await revocations.revoke(principalOf(request), { kind: 'quarantine', agent }, request.body.reason)
      return oneOf(agent, options)
    },
  )
  app.post<One & Reasoned>(
    '/v1/agents/:agent/release',
    {
      preHandler: mayAct,
      schema: { summary: 'Ends its quarantine', tags, params, body: reasoned, response: { 200: agentShape } },
    },
    async (request) => {
      const { agent } = request.params
      await revocations.release(principalOf(request), agent, request.body.reason)
      return oneOf(agent, options)
    },
  )
  app.get(
    '/v1/revocations',
    {
      preHandler: mayLook,
      schema: {
        summary: 'What has been revoked, and every quarantine; newest first',
        tags,
        response: { 200: shape.object({ revocations: shape.list(revocationShape) }) },
      },
    },
    () => ({ revocations: revocations.list().slice(0, MOST_REVOCATIONS).map(revocationView) }),
  )
  app.post<{ Body: Revoking }>(
    '/v1/revocations',
    {
      preHandler: mayAct,
      schema: {
        summary: 'Revokes a token, or what a subject or an issuer was issued until a time',
        tags,
        body: { ...revoking, oneOf: [{ required: ['token'] }, { required: ['subject'] }, { required: ['issuer'] }] },
        response: { 201: revocationShape },
      },
    },
    async (request, reply) => {
      const target = targetOf(request.body, options.now())
      const revocation = await revocations.revoke(principalOf(request), target, request.body.reason)
      return reply.code(201).send(revocationView(revocation))
    },
  )
}

function targetOf({ token, subject, issuer, issued_before: before }: Revoking, now: number): Target {
  if (token !== undefined) return { kind: 'token', token }
  // What is issued in this very second is struck too: nobody can say which was first.
  const issuedBefore = Math.floor((before === undefined ? now : Date.parse(before)) / 1000)
  if (subject !== undefined) return { kind: 'subject', subject, issued_before: issuedBefore }
  return { kind: 'issuer', issuer: issuer ?? '', issued_before: issuedBefore }
}

async function listOf(options: AgentRoutes): Promise<readonly AgentView[]> {
  const { overview, revocations } = options
  const seen = (await overview.ask('agents', { limit: MOST_SEEN })).filter(({ kind }) => kind !== 'person')
  const held = revocations.list().flatMap(heldAgent)
  const names = new Set([...seen.map(({ agent }) => agent), ...Object.keys(registerOf(options)), ...held])
  return [...names].map((agent) => viewOf(agent, seen, options))
}

async function oneOf(agent: string, options: AgentRoutes): Promise<AgentView> {
  return viewOf(agent, await options.overview.ask('agents', { limit: MOST_SEEN }), options)
}

async function wholeOf(agent: string, options: AgentRoutes): Promise<object> {
  const { overview, policy } = options
  const view = await oneOf(agent, options)
  if (view.registered === null && view.last_used === null && view.quarantine.length === 0) {
    throw new IdentityError('ERR_IDENTITY_UNKNOWN', `there is no agent ${agent}, and none of that name was seen`)
  }
  const met = new Map((await overview.ask('met', { agent })).map((row) => [row.rule, row]))
  const rules = rulesOf(policy.current().metadata).map((rule) => {
    const { decisions = 0, last = null } = met.get(rule.id) ?? {}
    return { ...rule, decisions, last: shape.rfc3339OrNull(last) }
  })
  return { ...view, policy: policy.current().reference, rules }
}

function viewOf(agent: string, seen: readonly AgentRow[], options: AgentRoutes): AgentView {
  const row = seen.find((each) => each.agent === agent) ?? null
  return agentView(agent, { row, entry: registerOf(options)[agent], held: options.revocations.quarantines(agent) })
}

function heldAgent({ target, released }: Revocation): readonly string[] {
  return target.kind === 'quarantine' && released === null ? [target.agent] : []
}

/** `data.agents` of the policy in force: what the starter policy calls its register. */
function registerOf({ policy }: AgentRoutes): JsonObject {
  const { agents } = policy.current().data
  return typeof agents === 'object' && agents !== null && !Array.isArray(agents) ? Object(agents) : {}
}
