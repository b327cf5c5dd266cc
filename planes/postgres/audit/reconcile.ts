import { SqlParser } from '../normalizer/index.ts'
import { outlineOf, type EvidenceOutline } from './gateway-sessions.ts'
import { Reconciler } from './reconciler.ts'
import type { Reconciliation, ReconcileOptions, Span } from './reconciliation.ts'
import { openServerLog } from './server-log.ts'

/** A gateway that signs its log and has nothing else to record says so once in this time. */
const HEARTBEAT_MS = 60_000

/** Something that stands in the way of any answer. */
export class ReconcileError extends Error {}

/**
 * Holds the server's own log against evidence. Reads both as they lie, twice and once, and keeps what has no counterpart
 * yet; so its memory follows the number of sessions and of findings, not that of statements. Throws ReconcileError,
 * UpstreamError ERR_UPSTREAM_LOG, and what reading evidence throws.
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const files = await openServerLog(options.logs)
  if (files.length === 0) throw new ReconcileError('the server’s log: expected rows; found empty files alone')
  if (new Set(files.map(({ form }) => form)).size > 1)
    throw new ReconcileError(
      'expected one form of the server’s log; found csvlog and jsonlog, which tell the same twice',
    )
  const outline = await outlineOf(options.records, options.server)
  const span = spanOf(outline, options)
  const parser = await SqlParser.open({ maxBytes: Infinity, cacheEntries: 2000, deadlineMs: 30_000 })
  try {
    return await new Reconciler(outline, span, options, parser).run(files, options.records)
  } finally {
    await parser.close()
  }
}

function spanOf({ sessions, first, last }: EvidenceOutline, { from, to }: ReconcileOptions): Span {
  if (first === null || last === null) throw new ReconcileError('evidence: expected records; found none')
  const { servers } = sessions
  if (servers.length > 1) {
    const list = servers.join(', ')
    throw new ReconcileError(`evidence tells of sessions at ${list}: say with --server whose log this is`)
  }
  if (servers.length === 0) {
    throw new ReconcileError('evidence: expected upstream.connected records of PostgreSQL sessions; found none')
  }
  const span = { from: from ?? first, to: to ?? last + HEARTBEAT_MS, evidence: { from: first, to: last } }
  if (span.from >= span.to) throw new ReconcileError('expected a period that ends after it begins; found none such')
  return span
}
