import type { AccessRequest, ActionClass, PartUse, Principal, Resource } from '../../engine/access-request.ts'
import type { Random } from './seeded-random.ts'

/** Requests of the postgres plane that reach into every corner of the starter pack, and past its edges. */
export function randomRequest(random: Random, labelsRevision: string, now: number): AccessRequest {
  const pick: Pick = <T>(items: readonly [T, ...T[]]): T => items[Math.floor(random() * items.length)] ?? items[0]
  const some = <T>(items: readonly T[]): T[] => items.filter(() => random() < 0.35)
  if (random() < 0.7) return likelyRequest(random, pick, labelsRevision, now)
  const kind = pick(KINDS)
  const parameters = some(['10', '20', '600000', '0.01', 'über', '', '9007199254740993'])
  const part = (): Resource['parts'][number] => {
    const uses = some<PartUse>(['output', 'derived', 'predicate', 'written'])
    const values = uses.includes('written') ? { values: pick([[pick(AMOUNTS)], [pick(AMOUNTS), null], null]) } : {}
    return { name: pick(COLUMNS), labels: some(['pii', 'internal']), uses, ...values }
  }
  const resource = (): Resource => ({
    type: pick(['table', 'table', 'view', 'materialized view']),
    name: pick(TABLES),
    labels: some(['pii']),
    parts: Array.from({ length: Math.floor(random() * 4) }, part),
  })
  const resources = Array.from({ length: Math.floor(random() * 3) }, resource)
  const setting = kind === 'set' ? pick(['search_path', 'application_name', 'role']) : null
  const block = {
    kind,
    statement: pick(['SELECT 1', "SELECT '\\'", 'INSERT …', 'DELETE FROM x']),
    database: 'bank',
    user: 'reconciler',
    opaque: pick<string[]>([[], [], [], ['do']]),
    functions: some(['pg_catalog.now', 'pg_catalog.lower', 'public.own', 'pg_catalog.pg_sleep']),
    parameters,
    setting,
  }
  const actionClass = pick<ActionClass>(['read', 'read', 'write', 'destroy', 'control', 'discover'])
  return requestOf(principal(pick, some), actionClass, resources, block, random, pick, labelsRevision, now)
}

type Pick = <T>(items: readonly [T, ...T[]]) => T

/** A read or a transfer as the registered agent makes them, with a slip now and then. */
function likelyRequest(random: Random, pick: Pick, labelsRevision: string, now: number): AccessRequest {
  const slip = (): boolean => random() < 0.04
  const reads = random() < 0.7
  const kind = reads ? 'select' : 'insert'
  const use = (): PartUse[] => (slip() ? ['derived'] : slip() ? ['predicate'] : ['output'])
  const read = (): Resource => {
    const [name, labelled] = pick(READABLE)
    const columns = ['id', 'amount', ...labelled].filter(() => random() < 0.5)
    const parts = columns.map((column) => ({
      name: column,
      labels: labelled.includes(column) ? ['pii'] : [],
      uses: use(),
    }))
    return { type: 'table', name, labels: [], parts }
  }
  const written = ['from_account', 'to_account', 'amount'].map((name): Resource['parts'][number] => ({
    name,
    labels: [],
    uses: ['written'],
    values: name === 'amount' ? (slip() ? null : [pick(AMOUNTS)]) : ['10'],
  }))
  const transfer: Resource = { type: 'table', name: 'public.transfers', labels: [], parts: written }
  const resources = reads ? Array.from({ length: 1 + Math.floor(random() * 2) }, read) : [transfer]
  const who: Principal = { ...REGISTERED, ...(slip() ? { kind: 'person' } : {}) }
  const block = {
    kind,
    statement: 'SELECT 1',
    database: 'bank',
    user: 'reconciler',
    functions: [],
    opaque: [],
    parameters: [],
    setting: null,
  }
  return requestOf(who, reads ? 'read' : 'write', resources, block, random, pick, labelsRevision, now)
}

const READABLE: readonly [Readable, ...Readable[]] = [
  ['public.customers', ['ssn', 'email', 'phone', 'dob']],
  ['public.accounts', ['account_number']],
  ['public.transfers', []],
]
type Readable = readonly [table: string, labelled: readonly string[]]

function requestOf(
  who: Principal,
  actionClass: ActionClass,
  resources: readonly Resource[],
  block: AccessRequest['block'],
  random: Random,
  pick: Pick,
  labelsRevision: string,
  now: number,
): AccessRequest {
  return {
    principal: who,
    action: { name: `postgres.${typeof block.kind === 'string' ? block.kind : ''}`, class: actionClass },
    resources,
    context: {
      plane: 'postgres',
      session: 's',
      time: new Date(now).toISOString(),
      source: '127.0.0.1',
      transaction: pick(['none', 'open', 'failed']),
      approvals: random() < 0.1 ? [{ id: 'a1', rule: 'hold-transfer' }] : [],
    },
    block,
    recorded: { resources, block },
    labels_revision: labelsRevision,
  }
}

const KINDS = [
  'select',
  'select',
  'insert',
  'update',
  'delete',
  'begin',
  'set',
  'show',
  'copy_to',
  'prepare',
  'drop',
  'truncate',
] as const
const TABLES = [
  'public.customers',
  'public.accounts',
  'public.transfers',
  'public.customer_mv',
  'private.customers',
  'pg_catalog.pg_class',
  'pg_catalog.pg_authid',
  'other.t',
] as const
const COLUMNS = [
  'id',
  'ssn',
  'email',
  'phone',
  'dob',
  'account_number',
  'amount',
  'from_account',
  'to_account',
  'code',
] as const
const AMOUNTS = ['1', '499999.99', '500000', '600000', '-5', '1e9', 'many', ''] as const

function principal(pick: Pick, some: <T>(items: readonly T[]) => T[]): Principal {
  return {
    ...REGISTERED,
    id: pick(['reconciler', 'reconciler', 'reconciler', 'stranger']),
    kind: pick(['agent', 'agent', 'person', 'workload']),
    groups: some(['agents', 'payments']),
    roles: some(['reader']),
    act: some(['orchestrator']),
    owner: pick(['olivia', null]),
  }
}

const REGISTERED: Principal = {
  id: 'reconciler',
  kind: 'agent',
  groups: ['agents'],
  roles: [],
  issuer: 'https://idp.bank.example',
  act: [],
  owner: 'olivia',
  token_id: 't1',
  token_digest: 'a'.repeat(64),
  expires_at: 4_000_000_000,
}
