import type { RecordDraft } from '../engine/evidence/index.ts'
import type { OverviewDoor } from '../engine/overview/index.ts'
import type { Principal } from '../engine/index.ts'
import { type Access, lookers, requireRole } from './access.ts'
import type { App, Request } from './app.ts'
import { decisionShape, decisionView, decisionWholeView, recordShape, recordView } from './decision-view.ts'
import { NotThere } from './problem.ts'
import * as shape from './shape.ts'

export interface EvidenceRoutes {
  readonly overview: OverviewDoor
  readonly access: Access
  readonly principalOf: (request: Request) => Principal
  /** Durable in evidence when it resolves. */
  readonly record: (draft: RecordDraft) => Promise<void>
}

interface Filter {
  readonly verdict?: string
  readonly agent?: string
  readonly plane?: string
  readonly rule?: string
  readonly control?: string
  readonly session?: string
  readonly action?: string
  readonly from?: string
  readonly to?: string
  readonly cursor?: string
  readonly limit?: string
}

interface One {
  readonly Params: { readonly id: string }
}

const filter = shape.query({
  verdict: shape.verdict,
  agent: shape.name,
  plane: shape.name,
  rule: shape.name,
  control: shape.name,
  session: shape.name,
  action: shape.name,
  from: shape.time,
  to: shape.time,
  cursor: shape.cursor,
  limit: shape.limit,
})
const whole = shape.object({ decision: decisionShape, records: shape.list(recordShape), explain: shape.text })

/** Decisions out of evidence, newest first; one in full; and, for auditors and recorded, what was sent. */
export function decisionRoutes(app: App, { overview, access, principalOf, record }: EvidenceRoutes): void {
  const mayLook = lookers(access, principalOf)

  app.get<{ Querystring: Filter }>(
    '/v1/decisions',
    {
      preHandler: mayLook,
      schema: {
        summary: 'Decisions, newest first',
        tags: ['decisions'],
        querystring: filter,
        response: { 200: shape.object({ decisions: shape.list(decisionShape), next: shape.optionalText }) },
      },
    },
    async ({ query }) => {
      const { rows, next } = await overview.ask('decisions', shape.filterOf(query))
      return { decisions: rows.map(decisionView), next }
    },
  )

  app.get<One>(
    '/v1/decisions/:id',
    {
      preHandler: mayLook,
      schema: {
        summary: 'One decision, and its records: intent, approvals, outcome',
        tags: ['decisions'],
        params: shape.params('id'),
        response: { 200: whole },
      },
    },
    async ({ params: { id } }) => {
      const found = await overview.ask('decision', { id, payload: false })
      if (found === null) throw new NotThere(`there is no decision ${id} in evidence`)
      return decisionWholeView(found)
    },
  )

  app.get<One>(
    '/v1/decisions/:id/request',
    {
      schema: {
        summary: 'What was sent, as far as it is not erased; for auditors, and recorded as looked at',
        tags: ['decisions'],
        params: shape.params('id'),
        response: { 200: shape.object({ records: shape.list(recordShape) }) },
      },
    },
    async (request) => {
      const by = principalOf(request)
      requireRole(by, access, 'auditor')
      const { id } = request.params
      const found = await overview.ask('decision', { id, payload: true })
      if (found === null) throw new NotThere(`there is no decision ${id} in evidence`)
      await record({
        event: 'replay.viewed',
        principal: by,
        detail: { session: found.decision.session, decision: id, how: 'console' },
      })
      return { records: found.records.map(recordView) }
    },
  )

  app.get(
    '/v1/choices',
    {
      preHandler: mayLook,
      schema: {
        summary: 'What decisions can be filtered by, as far as it was seen',
        tags: ['decisions'],
        response: {
          200: shape.object({ agents: shape.texts, planes: shape.texts, rules: shape.texts, controls: shape.texts }),
        },
      },
    },
    () => overview.ask('choices', {}),
  )
}
