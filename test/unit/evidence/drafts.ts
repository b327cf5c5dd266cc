import type { Principal } from '../../../engine/access-request.ts'
import type { RecordDraft, RecordingFrame } from '../../../engine/evidence/index.ts'

export const PRINCIPAL: Principal = {
  id: 'reconciler',
  kind: 'agent',
  groups: ['reconciliation'],
  roles: ['reader'],
  issuer: 'https://idp.bank.example',
  act: ['olivia'],
  owner: 'olivia',
  token_id: 'token-1',
  token_digest: 'ab'.repeat(32),
  expires_at: 1_800_000_000,
}

export function intent(decision: string, session = 's-1'): RecordDraft {
  return {
    event: 'decision.forward',
    session,
    principal: PRINCIPAL,
    decision,
    action: { name: 'postgres.select', class: 'read' },
    resources: [{ type: 'table', name: 'public.accounts', labels: [], parts: [] }],
    verdict: 'forward',
    reasons: [{ rule: 'read', message: 'reading is allowed', controls: ['IS.II.C.15'] }],
    controls: ['IS.II.C.15'],
  }
}

export function outcome(decision: string, session = 's-1'): RecordDraft {
  return {
    event: 'outcome.ok',
    session,
    decision,
    outcome: { status: 'ok', rows: 1, bytes: 10, masks: [], error: null },
  }
}

export function rows(decision: string, body: RecordingFrame['body'] = [['1', 'Ann']]): RecordingFrame {
  return { dir: 'upstream', kind: 'sql.rows', decision, body }
}
