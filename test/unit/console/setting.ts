import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { openApi, type ApiOptions } from '../../../console/index.ts'
import { Outbox, type ApprovalLedger } from '../../../engine/approvals/index.ts'
import { Revocations, RevocationStore } from '../../../engine/identity/index.ts'
import { EvidenceError, Grants, type JsonObject, type Principal } from '../../../engine/index.ts'
import { openDatabase } from '../../../engine/state/index.ts'
import type { IdentityProvider } from '../../support/identity-provider.ts'
import { draft, setUp, type Setting } from '../approvals/setting.ts'
import { verifierFor } from '../identity/setting.ts'
import { setUp as setUpPolicies, type Setting as Policies } from '../lifecycle/setting.ts'

export interface Gateway extends Setting {
  readonly url: string
  readonly policies: Policies
  readonly grants: Grants
  readonly outbox: Outbox
  close(): Promise<void>
  /** What was logged. */
  readonly logged: { readonly event: string; readonly fields: JsonObject }[]
}

/** The API over a real ledger and real tokens, for one test. */
export async function openGateway(provider: IdentityProvider, overrides: Partial<ApiOptions> = {}): Promise<Gateway> {
  const setting = await setUp(':memory:', Date.now())
  const policies = await setUpPolicies()
  const logged: Gateway['logged'] = []
  const outbox = new Outbox(setting.database)
  const grants = new Grants({
    policy: policies.policy,
    ledger: setting.ledger,
    evidence: {
      append: (draft) => {
        policies.journal.push(draft)
        return { id: '', durable: Promise.resolve() }
      },
    },
    bindingKey: new Uint8Array(32),
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
    newId: randomUUID,
  })
  const api = await openApi({
    host: '127.0.0.1',
    port: 0,
    verifier: verifierFor(provider.issuer).verifier,
    ledger: setting.ledger,
    grants,
    outbox,
    policies: policies.life,
    shadow: policies.shadow,
    ...withoutEvidence(policies),
    instance: 'gw-1',
    signIn: null,
    identify: () => Promise.reject(new Error('nobody comes')),
    secret: new Uint8Array(32).fill(7),
    now: Date.now,
    ready: () => Promise.resolve(),
    log: (event, fields) => logged.push({ event, fields }),
    ...overrides,
  })
  onTestFinished(() => api.close())
  return { ...setting, grants, outbox, policies, url: api.url, close: () => api.close(), logged }
}

const database = await openDatabase(':memory:')

/** What the API needs of evidence, where a test asks for none of it: an index that is away, a log that takes nothing. */
export function withoutEvidence({
  policy,
}: Pick<Policies, 'policy'>): Pick<
  ApiOptions,
  'access' | 'policy' | 'pack' | 'overview' | 'evidence' | 'place' | 'metrics' | 'planes' | 'version' | 'revocations'
> {
  const away = new EvidenceError('ERR_EVIDENCE_OVERVIEW', 'the index is not opened here')
  return {
    access: {
      auditors: { groups: ['auditors'], roles: ['examiner'] },
      viewers: { groups: ['viewers'], roles: [] },
      operators: { groups: ['operators'], roles: [] },
    },
    policy,
    pack: { version: '0', digest: '0'.repeat(64), frameworks: [], controls: new Map() },
    overview: { ask: () => Promise.reject(away), onAdvance: () => () => false },
    revocations: new Revocations({
      store: new RevocationStore(database),
      now: Date.now,
      newId: randomUUID,
      record: () => Promise.reject(away),
      log: () => undefined,
    }),
    evidence: {
      append: () => ({ id: '', durable: Promise.reject(away) }),
      standing: () => ({ records: 0, waitingBytes: 0, failure: null, signed: null }),
    },
    place: { evidence: { directory: '' }, exportKey: null, controls: '', policies: [], producer: '0.0.0' },
    metrics: 'loopback',
    planes: {},
    version: '0.0.0',
  }
}

/** A hold such as the starter policy asks for. */
export function hold(
  ledger: ApprovalLedger,
  requester: Principal,
  summary: JsonObject = transfer,
): Promise<{ id: string }> {
  return ledger.request(draft({ requester, summary }))
}

export const transfer: JsonObject = {
  principal: { id: 'reconciler' },
  action: { name: 'postgres.insert', class: 'write' },
  resources: [
    {
      type: 'table',
      name: 'public.transfers',
      labels: [],
      parts: [
        { name: 'amount', labels: [], uses: ['written'], values: ['250000.00'] },
        { name: 'to_account', labels: ['account'], uses: ['written'], values: null },
      ],
    },
    {
      type: 'table',
      name: 'public.accounts',
      labels: [],
      parts: [{ name: 'account_number', labels: ['pii', 'account'], uses: ['predicate'] }],
    },
  ],
  postgres: {
    kind: 'insert',
    statement: 'INSERT INTO transfers (amount, to_account)\n\tSELECT $1, id FROM accounts WHERE account_number = $2',
    database: 'bank',
    user: 'reconciler',
    functions: [],
    opaque: [],
    parameters: ['250000.00', null],
    setting: null,
  },
  context: { plane: 'postgres', transaction: 'open' },
  masks: [{ field: 'public.accounts.account_number', method: 'last4' }],
}
