import { hash } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Principal } from '../../../engine/index.ts'
import type { RecordDraft } from '../../../engine/evidence/index.ts'
import { LifecycleStore, PolicyLife, type LifecycleRules } from '../../../engine/lifecycle/index.ts'
import { openArchive, PolicyStore, UNHURRIED, type ActivePolicy } from '../../../engine/policy/index.ts'
import { Shadow } from '../../../engine/shadow/index.ts'
import { openDatabase, type Database, type PostgresPlace } from '../../../engine/state/index.ts'
import { principal } from '../approvals/setting.ts'
import { toyRevision } from '../policy/bundles.ts'

export const olga: Principal = principal('olga', { groups: ['policy-operators'] })
export const rita: Principal = principal('rita', { groups: ['policy-reviewers'] })
/** Both at once: what counts is that nobody reviews their own. */
export const omar: Principal = principal('omar', { groups: ['policy-operators', 'policy-reviewers'] })

export const RULES: LifecycleRules = {
  review: 'required',
  operators: { groups: ['policy-operators'], roles: [] },
  reviewers: { groups: ['policy-reviewers'], roles: [] },
}

export interface Setting {
  readonly life: PolicyLife
  /** Not started: it follows only what it is told. */
  readonly shadow: Shadow
  readonly policy: PolicyStore
  readonly database: Database
  /** What evidence has, in order. */
  readonly journal: RecordDraft[]
  /** While set, evidence refuses; `admit`: while set, no bundle can be opened. */
  readonly fault: { journal: Error | null; admit: Error | null; settled: (() => Promise<unknown>) | null }
  /** Starts as a gateway does, its configuration naming the toy policy at this revision. */
  readonly start: (revision: string) => Promise<void>
  readonly close: () => Promise<void>
}

export interface SettingOptions {
  readonly rules?: Partial<LifecycleRules>
  /** A state of its own in memory by default. */
  readonly place?: string | PostgresPlace
  readonly journal?: RecordDraft[]
  readonly instance?: string
  readonly followMs?: number
}

/** One gateway's policies over a real state database; evidence is a list. */
export async function setUp(options: SettingOptions = {}): Promise<Setting> {
  const { instance = 'gw', journal = [] } = options
  const database = await openDatabase(options.place ?? ':memory:')
  const policy = new PolicyStore()
  const fault: Setting['fault'] = { journal: null, admit: null, settled: null }
  const store = new LifecycleStore(database)
  const life = new PolicyLife({
    store,
    rules: { ...RULES, ...options.rules },
    instance,
    writer: `${instance}.1`,
    policy,
    now: () => Date.UTC(2026, 10, 25),
    admit: (archive) => {
      if (fault.admit !== null) throw fault.admit
      return opened(archive)
    },
    record: async (draft) => {
      await Promise.resolve()
      if (fault.journal !== null) throw fault.journal
      journal.push(draft)
      await fault.settled?.()
    },
    ...(options.followMs === undefined ? {} : { followMs: options.followMs }),
    log: () => undefined,
  })
  const shadow = new Shadow({
    store,
    life,
    instance,
    trust: { kind: 'unsigned' },
    limits: UNHURRIED,
    log: () => undefined,
  })
  const close = async (): Promise<void> => {
    await shadow.close()
    await life.close()
    await database.destroy()
  }
  onTestFinished(close)
  const start = async (revision: string): Promise<void> => {
    const archive = await toyRevision(revision)
    await life.start({ archive, policy: await opened(archive) })
  }
  return { life, shadow, policy, database, journal, fault, start, close }
}

export async function digestOf(revision: string): Promise<string> {
  return (await opened(await toyRevision(revision))).reference.digest
}

const OPENED = new Map<string, Promise<ActivePolicy>>()

/** Really opened, once a file: a self-test takes its time. */
export function opened(archive: Uint8Array): Promise<ActivePolicy> {
  const key = hash('sha256', archive)
  const known = OPENED.get(key) ?? openArchive(archive, { kind: 'unsigned' }, UNHURRIED)
  OPENED.set(key, known)
  return known
}

/** Each record's event and the revision that it names. */
export function told(journal: readonly RecordDraft[]): readonly string[] {
  return journal.map(({ event, policy }) => `${event} ${policy?.revision ?? 'none'}`)
}
