import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLedger, type ApprovalLedger } from '../../engine/approvals/index.ts'
import type { AccessRequest, Principal, Resource } from '../../engine/access-request.ts'
import { ControlResolver, loadControlPack } from '../../engine/controls/index.ts'
import { openEvidenceLog, type EvidenceLog, type FileSystem } from '../../engine/evidence/index.ts'
import { approvalJournal } from '../../engine/gateway.ts'
import { openBundle, PolicyStore, UNHURRIED } from '../../engine/policy/index.ts'
import type { Enforceable } from '../../engine/plane.ts'
import { Grants } from '../../engine/grants.ts'
import { GatewaySession } from '../../engine/session.ts'
import { openDatabase, type Database } from '../../engine/state/index.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The engine's rooms, all real, over a directory that goes with them; the clock is the test's. */
export interface TestRooms extends AsyncDisposable {
  readonly directory: string
  readonly policy: PolicyStore
  readonly evidence: EvidenceLog
  readonly ledger: ApprovalLedger
  readonly grants: Grants
  readonly database: Database
  clock: number
  /** `ledger`: in the place of the rooms' own. */
  session(principal?: Principal, enforceable?: Enforceable, ledger?: ApprovalLedger): GatewaySession
  /** Every record so far, as it lies on the disk. */
  records(): Record<string, unknown>[]
}

/** What digests of requests are made under here. */
export const BINDING_KEY: Uint8Array = new Uint8Array(32).fill(7)

export const AGENT: Principal = {
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

export const APPROVER: Principal = {
  ...AGENT,
  id: 'ann',
  kind: 'person',
  groups: ['payments'],
  owner: null,
  token_id: 't2',
}

const EVERYTHING: Enforceable = {
  maskMethods: ['null', 'redact', 'fixed', 'last4', 'email', 'date-year'],
  hold: true,
  limits: true,
}

export async function openRooms(
  options: { readonly bundle?: string; readonly files?: FileSystem } = {},
): Promise<TestRooms> {
  const temporary = temporaryDirectory()
  const directory = join(temporary.path, 'evidence')
  const clock = { now: Date.parse('2026-11-23T09:00:00.000Z') }
  const now = (): number => clock.now
  const resolver = new ControlResolver(await loadControlPack())
  const evidence = await openEvidenceLog({
    directory,
    instance: 'test',
    now,
    monotonic: () => process.hrtime.bigint(),
    cite: (event, named) => resolver.cite(event, named),
    ...(options.files === undefined ? {} : { files: options.files }),
  })
  const policy = new PolicyStore()
  const bundle = options.bundle ?? 'policies/dist/starter.tar.gz'
  const opened = await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED)
  await evidence.append({ event: 'policy.activated', policy: opened.reference, detail: {} }).durable
  policy.activate(opened)
  const database = await openDatabase(join(temporary.path, 'state.db'))
  const ledger = await openLedger(database, {
    now,
    newId: randomUUID,
    writer: evidence.writerId,
    journal: approvalJournal(evidence),
    policyInForce: () => policy.current().reference.digest,
  })
  const rooms = { policy, evidence, ledger }
  return {
    directory,
    ...rooms,
    get clock() {
      return clock.now
    },
    set clock(value: number) {
      clock.now = value
    },
    grants: new Grants({
      ...rooms,
      bindingKey: BINDING_KEY,
      now,
      monotonic: () => process.hrtime.bigint(),
      newId: randomUUID,
    }),
    database,
    session: (principal = AGENT, enforceable = EVERYTHING, own = ledger) =>
      new GatewaySession(randomUUID(), principal, enforceable, {
        policy,
        ledger: own,
        evidence,
        bindingKey: BINDING_KEY,
        now,
        monotonic: () => process.hrtime.bigint(),
        newId: randomUUID,
      }),
    records: () =>
      readFileSync(join(directory, 'records', `${evidence.writerId}.ndjson`), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line): Record<string, unknown> => JSON.parse(line).record),
    [Symbol.asyncDispose]: async () => {
      await ledger.close()
      await evidence.close().catch(() => undefined) // a test may have broken its disk
      await database.destroy()
      temporary[Symbol.dispose]()
    },
  }
}

/** A request of the postgres plane against the starter pack's tables. */
export function request(
  rooms: Pick<TestRooms, 'policy' | 'clock'>,
  draft: Partial<Pick<AccessRequest, 'action' | 'resources' | 'recorded' | 'labels_revision'>> & {
    readonly kind?: string
    readonly parameters?: readonly (string | null)[]
  } = {},
): AccessRequest {
  const { kind = 'select', parameters = [] } = draft
  const resources = draft.resources ?? []
  const block = {
    kind,
    statement: 'SELECT 1',
    database: 'bank',
    user: 'reconciler',
    functions: [],
    opaque: [],
    parameters,
    setting: null,
  }
  return {
    principal: AGENT,
    action: draft.action ?? { name: `postgres.${kind}`, class: 'read' },
    resources,
    context: {
      plane: 'postgres',
      session: 's',
      time: new Date(rooms.clock).toISOString(),
      source: '127.0.0.1',
      transaction: 'none',
      approvals: [],
    },
    block,
    recorded: draft.recorded ?? { resources, block },
    labels_revision: draft.labels_revision ?? rooms.policy.current().reference.digest,
  }
}

const written = (name: string, value: string): Resource['parts'][number] => ({
  name,
  labels: [],
  uses: ['written'],
  values: [value],
})

/** A transfer of so much between two accounts. */
export function transfer(rooms: Pick<TestRooms, 'policy' | 'clock'>, amount: string): AccessRequest {
  const parts = [written('from_account', '10'), written('to_account', '20'), written('amount', amount)]
  return request(rooms, {
    kind: 'insert',
    action: { name: 'postgres.insert', class: 'write' },
    resources: [{ type: 'table', name: 'public.transfers', labels: [], parts }],
    parameters: ['10', '20', amount],
  })
}
