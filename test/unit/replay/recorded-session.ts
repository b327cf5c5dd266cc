import type { EvidenceLog, EvidenceOptions, NoteSigner, RecordDraft } from '../../../engine/evidence/index.ts'
import { PRINCIPAL } from '../evidence/drafts.ts'
import { openSigned } from '../evidence/signed.ts'
import { scratch } from '../evidence/workbench.ts'

const POLICY = { revision: 'r1', digest: 'cd'.repeat(32) }
export const SESSION: string = '01a213e0-f2e4-7e8d-b0ec-e60a4e6f321a'

const base = { session: SESSION, principal: PRINCIPAL, policy: POLICY } as const

type Decided = Partial<RecordDraft> & { readonly statement?: string; readonly parameters?: readonly (string | null)[] }

/** A decision of the session, with its request beside it. */
function decided(
  decision: string,
  kind: 'forward' | 'mask' | 'hold' | 'reject',
  { statement = 'SELECT id FROM accounts', parameters = [], ...more }: Decided = {},
): RecordDraft {
  return {
    ...base,
    event: `decision.${kind}`,
    decision,
    action: { name: 'postgres.select', class: 'read' },
    resources: [{ type: 'table', name: 'public.accounts', labels: [], parts: [] }],
    verdict: kind,
    reasons: [{ rule: `rule-${kind}`, message: `because of ${kind}`, controls: ['IS.II.C.18'] }],
    controls: ['IS.II.C.18'],
    request: { digest: '12'.repeat(32) },
    payload: { block: { kind: 'select', statement, parameters }, values: [] },
    detail: { decided_us: 412 },
    ...more,
  }
}

function settled(decision: string, more: Partial<RecordDraft> = {}): RecordDraft {
  const outcome = { status: 'ok', rows: 1, bytes: 30, masks: [], error: null }
  return { event: 'outcome.ok', session: SESSION, decision, outcome, ...more }
}

function answer(log: EvidenceLog, decision: string, body: object): Promise<void> {
  const copy: Parameters<EvidenceLog['appendFrame']>[1]['body'] = JSON.parse(JSON.stringify(body))
  return log.appendFrame(SESSION, { dir: 'upstream', kind: 'sql.rows', decision, body: copy }).durable
}

const MASKED_ANSWER = {
  columns: [{ name: 'name' }, { name: 'ssn', field: 'public.customers.ssn', method: 'last4' }],
  rows: [
    ['Ann', '*******1111'],
    [null, { base64: '/wA=' }],
  ],
  end: 'SELECT 2',
  count: 2,
  bytes: 40,
  sha256: 'ef'.repeat(32),
  kept: 'whole',
}

function approval(state: string, answers: readonly object[] = []): NonNullable<RecordDraft['approval']> {
  const asked = { id: 'approval-1', state, requestedAt: 1000, expiresAt: 901_000, answers }
  return JSON.parse(JSON.stringify({ ...asked, terms: { approvers: ['payments'], quorum: 1, reason_required: true } }))
}

/** Everything that a session can hold: forwarded, masked, rejected, held and approved, failed; and its end. */
export async function recordSession(log: EvidenceLog): Promise<void> {
  const put = (draft: RecordDraft): Promise<void> => log.append(draft).durable
  await put({ event: 'policy.activated', policy: POLICY, detail: { pack: 'starter', compiler: 'opa 1.22.2' } })
  const client = { database: 'bank', user: 'reconciler' }
  await put({
    event: 'session.opened',
    session: SESSION,
    principal: PRINCIPAL,
    detail: { plane: 'postgres', source: '10.0.0.7', client },
  })
  await put(decided('d-1', 'forward'))
  await answer(log, 'd-1', {
    columns: [{ name: 'id' }],
    rows: [['10']],
    end: 'SELECT 1',
    count: 1,
    bytes: 9,
    sha256: 'aa'.repeat(32),
    kept: 'whole',
  })
  await put(settled('d-1'))
  await put(
    decided('d-2', 'mask', {
      statement: 'SELECT name, ssn FROM customers LIMIT $1',
      masks: [{ field: 'public.customers.ssn', method: 'last4' }],
    }),
  )
  await answer(log, 'd-2', MASKED_ANSWER)
  const masks = [{ field: 'public.customers.ssn', method: 'last4', count: 1 }]
  await put(settled('d-2', { outcome: { status: 'ok', rows: 2, bytes: 40, masks, error: null } }))
  await put(
    decided('d-3', 'reject', {
      statement: 'DELETE FROM transfers',
      action: { name: 'postgres.delete', class: 'destroy' },
    }),
  )
  await put(
    decided('d-4', 'hold', { statement: 'INSERT INTO transfers (amount) VALUES ($1)', parameters: ['250000.00'] }),
  )
  const asked = { session: SESSION, decision: 'd-4', policy: POLICY, payload: { summary: { about: 'a transfer' } } }
  await put({ event: 'approval.requested', ...asked, approval: approval('requested') })
  const yes = [
    { by: 'ann', issuer: 'https://idp.bank.example', answer: 'approve', reason: 'checked by phone', at: 4000 },
  ]
  await put({ event: 'approval.granted', ...asked, approval: approval('granted', yes) })
  await put({ event: 'approval.used', ...asked, approval: approval('used', yes) })
  await put(
    decided('d-4', 'forward', {
      statement: 'INSERT INTO transfers (amount) VALUES ($1)',
      parameters: ['250000.00'],
      approval: { id: 'approval-1', state: 'used' },
    }),
  )
  await answer(log, 'd-4', { end: 'INSERT 0 1', count: 0, bytes: 0, sha256: 'bb'.repeat(32), kept: 'whole' })
  await put(settled('d-4'))
  await put(decided('d-5', 'forward'))
  await answer(log, 'd-5', { error: '22P02', count: 0, bytes: 0, sha256: 'cc'.repeat(32), kept: 'whole' })
  await put({
    ...settled('d-5'),
    event: 'outcome.failed',
    outcome: { status: 'failed', rows: 0, bytes: 0, masks: [], error: '22P02' },
  })
  await put({ event: 'session.closed', session: SESSION, detail: { reason: 'client terminated', records: 11 } })
}

/** A signed directory that holds the session, closed. `around`: what else is recorded, before and behind it. */
export async function recordedDirectory(
  options: Partial<EvidenceOptions> & {
    readonly signer?: NoteSigner
    readonly around?: (log: EvidenceLog) => Promise<void>
  } = {},
): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory, options)
  await options.around?.(log)
  await recordSession(log)
  await options.around?.(log)
  await log.close()
  return directory
}
