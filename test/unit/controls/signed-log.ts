import { readFile } from 'node:fs/promises'
import type { PolicyReference } from '../../../engine/verdict.ts'
import type { Principal, Resource } from '../../../engine/access-request.ts'
import { ControlResolver, loadControlPack, type ReportScope } from '../../../engine/controls/index.ts'
import { checkpointFile, parseCheckpoint, type RecordDraft } from '../../../engine/evidence/index.ts'
import { PRINCIPAL } from '../evidence/drafts.ts'
import { openSigned } from '../evidence/signed.ts'
import { scratch, stepClock } from '../evidence/workbench.ts'

export const POLICY: Pick<PolicyReference, keyof PolicyReference> = { revision: 'r1', digest: 'cd'.repeat(32) }
export const ACTIVATED: RecordDraft = { event: 'policy.activated', policy: POLICY, detail: { pack: 'test' } }
export const AGENT: Principal = { ...PRINCIPAL, act: [] }

/** A log of these records, one run of a gateway each list, closed and signed; each record cites its controls. */
export async function signedLog(...runs: readonly (readonly RecordDraft[])[]): Promise<string> {
  const directory = scratch()
  const resolver = new ControlResolver(await loadControlPack())
  for (const [day, drafts] of runs.entries()) {
    const log = await openSigned(directory, {
      ...stepClock(Date.UTC(2026, 3, day + 1)),
      cite: (event, named) => resolver.cite(event, named),
    })
    await Promise.all(drafts.map((draft) => log.append(draft).durable))
    await log.close()
  }
  return directory
}

/** What the log's own checkpoint says, as a report wants it. */
export async function scopeOf(directory: string, more: Partial<ReportScope> = {}): Promise<ReportScope> {
  const checkpoint = parseCheckpoint(await readFile(checkpointFile(directory), 'utf8'))
  if (checkpoint === undefined) throw new Error('the log has no checkpoint')
  const { origin, size, root } = checkpoint
  return { from: null, to: null, origin, size, root, ...more }
}

export function decision(
  kind: 'forward' | 'mask' | 'hold' | 'reject',
  id: string,
  more: Partial<RecordDraft> = {},
): RecordDraft {
  return {
    event: `decision.${kind}`,
    session: 's-1',
    principal: AGENT,
    decision: id,
    action: { name: 'postgres.select', class: 'read' },
    resources: [],
    verdict: kind,
    reasons: [{ rule: 'a-rule', message: 'because', controls: ['IS.II.C.18'] }],
    policy: POLICY,
    ...more,
  }
}

export function outcome(
  id: string,
  masks: readonly { readonly field: string; readonly method: string; readonly count: number }[] = [],
): RecordDraft {
  return {
    event: 'outcome.ok',
    session: 's-1',
    decision: id,
    outcome: { status: 'ok', rows: 2, bytes: 9, masks: masks.map((mask) => ({ ...mask })), error: null },
  }
}

export function table(name: string, column: string, labels: readonly string[] = ['pii']): Resource {
  return { type: 'table', name, labels: [], parts: [{ name: column, labels, uses: ['output'] }] }
}

interface Answered {
  readonly by: string
  readonly answer?: 'approve' | 'deny'
}

export function approval(
  event: 'requested' | 'granted' | 'denied' | 'used' | 'answered',
  id: string,
  answers: readonly Answered[] = [],
  quorum = 1,
): RecordDraft {
  return {
    event: `approval.${event}`,
    session: 's-1',
    decision: `of-${id}`,
    policy: POLICY,
    approval: {
      id,
      version: 1,
      state: event === 'answered' ? 'requested' : event,
      digest: 'ef'.repeat(32),
      requester: { id: AGENT.id, kind: AGENT.kind, act: [], owner: AGENT.owner, issuer: AGENT.issuer },
      decision: `of-${id}`,
      session: 's-1',
      policy: POLICY,
      rule: 'hold-transfer',
      message: 'waits',
      terms: { approvers: ['payments'], quorum, expires_in: 900, reason_required: true },
      requestedAt: Date.UTC(2026, 3, 1),
      expiresAt: Date.UTC(2026, 3, 1) + 900_000,
      answers: answers.map(({ by, answer = 'approve' }) => ({
        by,
        issuer: AGENT.issuer,
        answer,
        reason: 'because',
        at: Date.UTC(2026, 3, 1),
      })),
    },
  }
}
