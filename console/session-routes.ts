import type { SessionRow } from '../engine/overview/index.ts'
import { lookers, requireRole } from './access.ts'
import type { App } from './app.ts'
import type { EvidenceRoutes } from './decision-routes.ts'
import type { EvidenceReader } from './evidence-reader.ts'
import { NotThere } from './problem.ts'
import * as shape from './shape.ts'

export interface SessionRoutes extends EvidenceRoutes {
  readonly reader: EvidenceReader
}

interface Filter {
  readonly state?: 'live' | 'ended'
  readonly agent?: string
  readonly plane?: string
  readonly from?: string
  readonly to?: string
  readonly cursor?: string
  readonly limit?: string
}

interface One {
  readonly Params: { readonly id: string }
}

const filter = shape.query({
  state: { enum: ['live', 'ended'] },
  agent: shape.name,
  plane: shape.name,
  from: shape.time,
  to: shape.time,
  cursor: shape.cursor,
  limit: shape.limit,
})

const sessionShape = shape.object({
  id: shape.text,
  agent: shape.text,
  owner: shape.optionalText,
  kind: shape.text,
  plane: shape.text,
  source: shape.optionalText,
  opened: shape.time,
  closed: shape.optionalTime,
  reason: shape.optionalText,
  decisions: shape.count,
  rejected: shape.count,
  masked: shape.count,
  held: shape.count,
})

/** Sessions, live and ended; and, for auditors and recorded, one's evidence, which a page replays and checks by itself. */
export function sessionRoutes(app: App, { overview, access, principalOf, record, reader }: SessionRoutes): void {
  const mayLook = lookers(access, principalOf)

  app.get<{ Querystring: Filter }>(
    '/v1/sessions',
    {
      preHandler: mayLook,
      schema: {
        summary: 'Sessions, newest first',
        tags: ['sessions'],
        querystring: filter,
        response: { 200: shape.object({ sessions: shape.list(sessionShape), next: shape.optionalText }) },
      },
    },
    async ({ query }) => {
      const { rows, next } = await overview.ask('sessions', shape.filterOf(query))
      return { sessions: rows.map(sessionView), next }
    },
  )

  app.get<One>(
    '/v1/sessions/:id',
    {
      preHandler: mayLook,
      schema: {
        summary: 'One session',
        tags: ['sessions'],
        params: shape.params('id'),
        response: { 200: sessionShape },
      },
    },
    async ({ params: { id } }) => {
      const found = await overview.ask('session', { id })
      if (found === null) throw new NotThere(`there is no session ${id} in evidence`)
      return sessionView(found)
    },
  )

  app.get<One>(
    '/v1/sessions/:id/evidence',
    {
      schema: {
        summary: 'All evidence of a session, with its proofs; for auditors, and recorded as looked at',
        tags: ['sessions'],
        params: shape.params('id'),
        response: {
          200: shape.object({
            format: shape.count,
            session: shape.text,
            records: { type: 'array' },
            frames: { type: 'array' },
            checkpoint: shape.optionalText,
          }),
        },
      },
    },
    async (request, reply) => {
      const by = principalOf(request)
      requireRole(by, access, 'auditor')
      const { id } = request.params
      const found = await reader.session(id)
      if (found === null) throw new NotThere(`there is no session ${id} in evidence`)
      // Before anything of it is shown.
      await record({ event: 'replay.viewed', principal: by, detail: { session: id, how: 'console' } })
      return reply.type('application/json; charset=utf-8').send(Buffer.from(found))
    },
  )
}

function sessionView({ opened, closed, ...rest }: SessionRow): object {
  return { ...rest, opened: shape.rfc3339(opened), closed: shape.rfc3339OrNull(closed) }
}
