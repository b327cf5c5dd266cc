import type { ApprovalLedger } from '../engine/approvals/index.ts'
import type { LogStanding } from '../engine/evidence/index.ts'
import { FAMILY_NAMES, type Family } from '../engine/overview/index.ts'
import type { PolicyStore } from '../engine/policy/index.ts'
import { lookers } from './access.ts'
import type { App } from './app.ts'
import type { EvidenceRoutes } from './decision-routes.ts'
import { recordShape, recordView } from './decision-view.ts'
import * as shape from './shape.ts'

export interface SystemRoutes extends EvidenceRoutes {
  readonly instance: string
  readonly version: string
  readonly ledger: ApprovalLedger
  readonly policy: PolicyStore
  readonly standing: () => LogStanding
  /** Where each plane listens. */
  readonly planes: Readonly<Record<string, { readonly host: string; readonly port: number }>>
  readonly ready: () => Promise<unknown>
  now(): number
}

interface Told {
  readonly Params: { readonly family: Family }
  readonly Querystring: { readonly cursor?: string; readonly limit?: string }
}

const age = shape.orNull(shape.object({ size: shape.count, age_ms: shape.count }))

/** How the gateway does; and records that stand on their own, family by family. */
export function systemRoutes(app: App, options: SystemRoutes): void {
  const { access, principalOf, overview } = options
  const mayLook = lookers(access, principalOf)

  app.get(
    '/v1/system',
    {
      preHandler: mayLook,
      schema: {
        summary: 'How the gateway does',
        tags: ['system'],
        response: {
          200: shape.object({
            gateway: shape.text,
            version: shape.text,
            now: shape.time,
            up_seconds: { type: 'number' },
            ready: shape.flag,
            policy: shape.object({ revision: shape.text, digest: shape.digest }),
            planes: shape.list(shape.object({ id: shape.text, host: shape.text, port: shape.count })),
            holds_open: shape.count,
            evidence: shape.object({
              up: shape.flag,
              failure: shape.optionalText,
              records: shape.count,
              waiting_bytes: shape.count,
              signs: { type: ['boolean', 'null'] },
              checkpoint: age,
              witnesses: shape.count,
              witnessed: age,
            }),
            index: shape.orNull(
              shape.object({
                records: shape.count,
                decisions: shape.count,
                live_sessions: shape.count,
                newest: shape.optionalTime,
                caught_up: shape.flag,
                bytes: shape.count,
              }),
            ),
            verdicts: shape.list(shape.object({ day: shape.text, verdict: shape.verdict, records: shape.count })),
          }),
        },
      },
    },
    () => systemView(options),
  )

  app.get<Told>(
    '/v1/records/:family',
    {
      preHandler: mayLook,
      schema: {
        summary:
          'Records that stand on their own, newest first: changes of policy, who looked, agents, access, refusals, the system',
        tags: ['system'],
        params: { type: 'object', required: ['family'], properties: { family: { enum: FAMILY_NAMES } } },
        querystring: shape.query({ cursor: shape.cursor, limit: shape.limit }),
        response: { 200: shape.object({ records: shape.list(recordShape), next: shape.optionalText }) },
      },
    },
    async ({ params: { family }, query: { cursor, limit } }) => {
      const { rows, next } = await overview.ask('told', shape.given({ family, cursor, limit: shape.limitOf(limit) }))
      return { records: rows.map(recordView), next }
    },
  )
}

/** The two weeks that a glance takes in. */
const DAYS_MS = 14 * 86_400_000

async function systemView(options: SystemRoutes): Promise<object> {
  const { overview, ledger, policy, planes, instance, version } = options
  const now = options.now()
  const from = new Date(now - DAYS_MS).toISOString().slice(0, 10)
  const [open, ready, index, verdicts] = await Promise.all([
    ledger.list({ state: 'requested' }),
    options.ready().then(
      () => true,
      () => false,
    ),
    overview.ask('standing', {}).catch(() => null),
    overview.ask('verdicts', { from }).catch(() => []),
  ])
  const { revision, digest } = policy.current().reference
  return {
    gateway: instance,
    version,
    now: shape.rfc3339(now),
    up_seconds: Math.floor(process.uptime()),
    ready,
    policy: { revision, digest },
    planes: Object.entries(planes).map(([id, { host, port }]) => ({ id, host, port })),
    holds_open: open.length,
    evidence: evidenceView(options.standing()),
    index: index === null ? null : indexView(index),
    verdicts,
  }
}

function evidenceView({ records, waitingBytes, failure, signed }: LogStanding): object {
  return {
    up: failure === null,
    failure,
    records,
    waiting_bytes: waitingBytes,
    signs: signed?.signs ?? null,
    checkpoint: aged(signed?.checkpoint),
    witnesses: signed?.witnesses ?? 0,
    witnessed: aged(signed?.witnessed),
  }
}

function indexView(standing: {
  readonly records: number
  readonly decisions: number
  readonly live: number
  readonly newest: number | null
  readonly caughtUp: boolean
  readonly bytes: number
}): object {
  const { records, decisions, live, newest, caughtUp, bytes } = standing
  return {
    records,
    decisions,
    live_sessions: live,
    newest: shape.rfc3339OrNull(newest),
    caught_up: caughtUp,
    bytes,
  }
}

function aged(value: { readonly size: number; readonly ageMs: number } | null | undefined): object | null {
  return value === null || value === undefined ? null : { size: value.size, age_ms: value.ageMs }
}
