import { afterAll, beforeAll, describe, onTestFinished } from 'vitest'
import {
  openLedger,
  type Approval,
  type ApprovalDraft,
  type ApprovalEvent,
  type ApprovalLedger,
} from '../../../engine/approvals/index.ts'
import { CountersignError, type Principal } from '../../../engine/index.ts'
import { openDatabase, type Database, type PostgresPlace } from '../../../engine/state/index.ts'
import { startDatabases, type Databases } from '../../support/databases.ts'

export function principal(id: string, overrides: Partial<Principal> = {}): Principal {
  return {
    id,
    kind: 'person',
    groups: ['payments'],
    roles: [],
    issuer: 'https://idp.bank.test',
    act: [],
    owner: null,
    token_id: `token-of-${id}`,
    token_digest: 'a'.repeat(64),
    expires_at: 2_000_000_000,
    ...overrides,
  }
}

export const ann: Principal = principal('ann')
export const ben: Principal = principal('ben')
export const reconciler: Principal = principal('reconciler', { kind: 'agent', groups: ['agents'], owner: 'olivia' })

export const DIGEST: string = 'd'.repeat(64)

export function draft(overrides: Partial<ApprovalDraft> = {}): ApprovalDraft {
  return {
    digest: DIGEST,
    requester: reconciler,
    decision: 'decision-1',
    session: 'session-1',
    policy: { revision: 'r1', digest: 'e'.repeat(64) },
    rule: 'bank.transfers.large',
    message: 'transfers over 100,000 need a second person',
    terms: { approvers: ['payments'], quorum: 1, expires_in: 600, reason_required: false },
    summary: { action: { name: 'postgres.insert', class: 'write' } },
    ...overrides,
  }
}

/** Terms other than the draft's own. */
export function terms(overrides: Partial<ApprovalDraft['terms']>): Partial<ApprovalDraft> {
  return { terms: { ...draft().terms, ...overrides } }
}

/** One person's answer; ann's and without a reason where not said otherwise. */
type Saying = (id: string, by?: Principal, reason?: string | null) => Promise<Approval>

export interface Setting {
  readonly ledger: ApprovalLedger
  readonly database: Database
  /** What the evidence log has, in order. */
  readonly journal: ApprovalEvent[]
  /** Milliseconds since 1970, stopped unless a test moves it. */
  readonly clock: { now: number }
  /** `journal`: while set, the log refuses. `afterJournal`: what happens between the log and the store. */
  readonly fault: { journal: Error | null; afterJournal: (() => Promise<unknown>) | null }
  readonly yes: Saying
  readonly no: Saying
}

let databases: Databases | null = null
const places = new Map<string, PostgresPlace>()

/** The same tests over each kind of store that state may be kept in. */
export function overEachStore(tests: (store: 'SQLite' | 'PostgreSQL') => void): void {
  describe('over SQLite', () => {
    tests('SQLite')
  })
  describe('over PostgreSQL', () => {
    beforeAll(async () => {
      databases = await startDatabases()
    })
    afterAll(async () => {
      await databases?.[Symbol.asyncDispose]()
      databases = null
    })
    tests('PostgreSQL')
  })
}

/** A store by the path of its file: the same path is the same store, `:memory:` is a new one each time. */
export async function placeOf(path: string): Promise<string | PostgresPlace> {
  if (databases === null) return path
  const known = path === ':memory:' ? undefined : places.get(path)
  const place = known ?? (await databases.create())
  places.set(path, place)
  return place
}

export async function openStore(path: string): Promise<Database> {
  return openDatabase(await placeOf(path))
}

/** A ledger over a database of its own, with a clock that stands still. */
export async function setUp(path: string = ':memory:', start: number = Date.UTC(2026, 0, 1)): Promise<Setting> {
  const database = await openStore(path)
  const journal: ApprovalEvent[] = []
  const clock = { now: start }
  const fault: Setting['fault'] = { journal: null, afterJournal: null }
  let count = 0
  const ledger = await openLedger(database, {
    now: () => clock.now,
    newId: () => `approval-${(count += 1)}`,
    writer: 'gw-1.1',
    journal: async (event) => {
      await Promise.resolve()
      if (fault.journal !== null) throw fault.journal
      journal.push(event)
      await fault.afterJournal?.()
    },
  })
  onTestFinished(async () => {
    await ledger.close()
    await database.destroy()
  })
  return {
    ledger,
    database,
    journal,
    clock,
    fault,
    yes: (id, by = ann, reason = null) => ledger.answer(id, { by, answer: 'approve', reason }),
    no: (id, by = ann, reason = null) => ledger.answer(id, { by, answer: 'deny', reason }),
  }
}

export const forever = (): AbortSignal => new AbortController().signal

export function codeOf(error: unknown): string {
  return error instanceof CountersignError ? error.code : String(error)
}
