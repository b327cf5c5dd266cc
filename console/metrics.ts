import { Counter, Gauge, Registry } from 'prom-client'
import type { ApprovalLedger } from '../engine/approvals/index.ts'
import type { LogStanding } from '../engine/evidence/index.ts'
import type { OverviewDoor } from '../engine/overview/index.ts'
import type { App, Request } from './app.ts'
import { NotThere } from './problem.ts'

export interface Watched {
  readonly overview: OverviewDoor
  readonly ledger: ApprovalLedger
  /** How evidence stands at this gateway. */
  readonly standing: () => LogStanding
  readonly version: string
  /** Who may ask: this host, whoever reaches the API, or nobody. */
  readonly metrics: 'loopback' | 'open' | 'off'
}

/** `GET /metrics`, in Prometheus's text; without a token, as probes are, so by default for this host alone. */
export function metricsRoute(app: App, watched: Watched): void {
  const schema = { summary: 'Metrics', tags: ['probes'], response: { 200: { description: 'text/plain' } } }
  app.get('/metrics', { schema }, async (request, reply) => {
    if (!mayAsk(request, watched)) throw new NotThere('there are no metrics here for you')
    const registry = new Registry()
    await addOwn(watched, registry)
    // Counted from evidence by the index's thread: so the numbers agree with it, and counting costs no decision anything.
    const counted = await watched.overview.ask('measured', {}).catch(() => null)
    gauge(registry, 'overview_up', '1 while the index of evidence answers.', counted === null ? 0 : 1)
    return reply.type(registry.contentType).send((await registry.metrics()) + (counted ?? ''))
  })
}

/** By the connection: what a proxy says of whom it asks for is not believed. */
function mayAsk(request: Request, { metrics }: Watched): boolean {
  if (metrics === 'open') return true
  const from = request.raw.socket.remoteAddress ?? ''
  return metrics === 'loopback' && /^(127\.|::1$|::ffff:127\.)/.test(from)
}

async function addOwn({ standing, ledger, version, overview }: Watched, registry: Registry): Promise<void> {
  const labelNames = ['version']
  new Gauge({ name: 'countersign_info', help: 'What runs.', labelNames, registers: [registry] }).set({ version }, 1)
  const { failure, waitingBytes, records, signed } = standing()
  gauge(registry, 'evidence_up', '1 while evidence can be written; 0: everything is refused.', failure === null ? 1 : 0)
  gauge(registry, 'evidence_waiting_bytes', 'Bytes of evidence that are not durable yet.', waitingBytes)
  const help = 'Records that this gateway wrote since it started.'
  new Counter({ name: 'countersign_evidence_records_total', help, registers: [registry] }).inc(records)
  gauge(registry, 'resident_bytes', 'Resident memory of the process.', process.memoryUsage.rss())
  const open = await ledger.list({ state: 'requested' }).catch(() => null)
  if (open !== null) gauge(registry, 'holds_open', 'Requests that wait for people.', open.length)
  const indexed = await overview.ask('standing', {}).catch(() => null)
  if (indexed !== null) {
    gauge(registry, 'overview_records', 'Records in the index of evidence.', indexed.records)
    gauge(registry, 'sessions_live', 'Sessions that are open.', indexed.live)
  }
  if (signed !== null) addSigned(signed, registry)
}

function addSigned({ signs, checkpoint, witnessed }: NonNullable<LogStanding['signed']>, registry: Registry): void {
  gauge(registry, 'evidence_signs', '1 where this gateway signs the log.', signs ? 1 : 0)
  if (checkpoint !== null) {
    gauge(registry, 'evidence_lag_seconds', 'Since all that was recorded was signed.', checkpoint.ageMs / 1000)
    gauge(registry, 'checkpoint_size', 'Records under the last checkpoint.', checkpoint.size)
  }
  if (witnessed === null) return
  gauge(registry, 'witness_age_seconds', 'Since a witness’s signature was last kept.', witnessed.ageMs / 1000)
  gauge(registry, 'witness_size', 'Records under the last checkpoint that a witness has signed.', witnessed.size)
}

function gauge(registry: Registry, name: string, help: string, value: number): void {
  new Gauge({ name: `countersign_${name}`, help, registers: [registry] }).set(value)
}
