import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  assertionDetail,
  rebuildAssertions,
  rebuildRevocations,
  Revocations,
  RevocationStore,
} from '../../../engine/identity/index.ts'
import type { Principal } from '../../../engine/index.ts'
import type { RecordDraft } from '../../../engine/evidence/index.ts'
import { openDatabase, type Database, type PostgresPlace } from '../../../engine/state/index.ts'
import { startDatabases, type Databases } from '../../support/databases.ts'
import { principal } from '../approvals/setting.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(() => databases?.[Symbol.asyncDispose]())

const olga = principal('olga')
const ISSUED = 1_000
const agent = principal('reconciler', {
  kind: 'agent',
  token_id: 't1',
  token_digest: 'b'.repeat(64),
  issued_at: ISSUED,
  client: 'batch',
})

interface Setting {
  readonly database: Database
  readonly revocations: Revocations
  readonly journal: RecordDraft[]
}

async function setUp(
  place: string | PostgresPlace = ':memory:',
  overrides: Partial<ConstructorParameters<typeof Revocations>[0]> = {},
): Promise<Setting> {
  const database = await openDatabase(place)
  const journal: RecordDraft[] = []
  const revocations = new Revocations({
    store: new RevocationStore(database),
    now: () => 5_000_000,
    newId: randomUUID,
    record: async (draft) => void journal.push(draft),
    log: () => undefined,
    ...overrides,
  })
  await revocations.start()
  onTestFinished(async () => {
    await revocations.close()
    await database.destroy()
  })
  return { database, revocations, journal }
}

const codeFor = ({ revocations }: Setting, who: Principal): string | null => revocations.refusal(who)?.code ?? null

describe('whom a revocation strikes', () => {
  const struck = 'ERR_IDENTITY_REVOKED'
  test.for([
    ['the token that it names', { kind: 'token', token: 't1' }, agent, struck],
    ['by its digest', { kind: 'token', token: agent.token_digest }, agent, struck],
    ['no other token', { kind: 'token', token: 't1' }, { ...agent, token_id: 't2' }, null],
    [
      'what was exchanged for it',
      { kind: 'token', token: 't1' },
      { ...agent, token_id: 'x', exchanged_from: ['t0', 't1'] },
      struck,
    ],
    ['an agent’s tokens until then', { kind: 'subject', subject: 'reconciler', issued_before: ISSUED }, agent, struck],
    ['not those of a second later', { kind: 'subject', subject: 'reconciler', issued_before: ISSUED - 1 }, agent, null],
    [
      'those that don’t say when they were issued',
      { kind: 'subject', subject: 'ann', issued_before: 1 },
      principal('ann'),
      struck,
    ],
    ['the client that got the token', { kind: 'subject', subject: 'batch', issued_before: ISSUED }, agent, struck],
    [
      'whoever acts in a chain',
      { kind: 'subject', subject: 'proxy', issued_before: ISSUED },
      { ...agent, act: ['x', 'proxy'] },
      struck,
    ],
    ['an issuer’s tokens until then', { kind: 'issuer', issuer: agent.issuer, issued_before: ISSUED }, agent, struck],
    ['no other issuer’s', { kind: 'issuer', issuer: 'https://other.example', issued_before: ISSUED }, agent, null],
    ['a quarantined agent', { kind: 'quarantine', agent: 'reconciler' }, agent, 'ERR_IDENTITY_QUARANTINED'],
    [
      'who acts through a quarantined one',
      { kind: 'quarantine', agent: 'proxy' },
      { ...agent, act: ['proxy'] },
      'ERR_IDENTITY_QUARANTINED',
    ],
    ['nobody of a like name', { kind: 'quarantine', agent: 'Reconciler' }, agent, null],
  ] as const)('%s', async ([, target, who, code]) => {
    const setting = await setUp()
    await setting.revocations.revoke(olga, target, 'why')
    expect(codeFor(setting, who)).toBe(code)
    expect(codeFor(setting, principal('ben', { issued_at: ISSUED + 10 }))).toBe(null)
  })
})

test('evidence has it before it is true, and what evidence refuses is not true', async () => {
  const seen: (string | null)[] = []
  const setting: Setting = await setUp(':memory:', {
    record: async ({ event }) => {
      seen.push(`${event} ${codeFor(setting, agent)}`)
      if (seen.length > 1) throw new Error('the disk is full')
    },
  })
  await setting.revocations.revoke(olga, { kind: 'quarantine', agent: 'reconciler' }, 'why')
  await expect(setting.revocations.release(olga, 'reconciler', 'why')).rejects.toThrow('the disk is full')
  expect(seen).toEqual(['agent.quarantined null', 'agent.released ERR_IDENTITY_QUARANTINED'])
  expect(codeFor(setting, agent)).toBe('ERR_IDENTITY_QUARANTINED')
})

test('a store that fails behind evidence: nobody is believed any more', async () => {
  const setting = await setUp()
  await setting.database.schema.dropTable('revocations').execute()
  await expect(setting.revocations.revoke(olga, { kind: 'token', token: 't9' }, 'why')).rejects.toMatchObject({
    code: 'ERR_STATE_QUERY',
  })
  expect(codeFor(setting, agent)).toBe('ERR_IDENTITY_UNSURE')
})

test('state that is lost is rebuilt from evidence: revocations, quarantines and releases in any order', async () => {
  const { revocations, journal } = await setUp()
  await revocations.revoke(olga, { kind: 'token', token: 't1' }, 'why')
  await revocations.revoke(olga, { kind: 'quarantine', agent: 'reconciler' }, 'why')
  await revocations.release(olga, 'reconciler', 'over')
  await revocations.revoke(olga, { kind: 'quarantine', agent: 'planner' }, 'why')
  const told = journal.map(({ detail }) => detail?.['revocation'])
  for (const order of [told, told.toReversed()]) {
    const fresh = await setUp()
    expect(await rebuildRevocations(fresh.database, order)).toBeGreaterThanOrEqual(3)
    expect(await rebuildRevocations(fresh.database, order)).toBe(0)
    await fresh.revocations.start()
    expect(
      fresh.revocations
        .list()
        .map(({ released, target }) => `${target.kind} ${released !== null}`)
        .toSorted(),
    ).toEqual(['quarantine false', 'quarantine true', 'token false'])
  }
})

test('an assertion that was used is not taken again where state is lost; one whose time is over is forgotten', async () => {
  const { database } = await setUp()
  const now = Date.UTC(2026, 3, 18)
  const used = { digest: 'ab'.repeat(32), forgetAt: now + 60_000 }
  const told = [assertionDetail(used), assertionDetail({ digest: 'cd'.repeat(32), forgetAt: now - 1 })]
  expect(await rebuildAssertions(database, told, now)).toBe(1)
  expect(await rebuildAssertions(database, told, now)).toBe(0)
  expect(await new RevocationStore(database).use(used, now)).toBe(false)
  await expect(rebuildAssertions(database, [{ digest: 'x', until: 'never' }], now)).rejects.toMatchObject({
    code: 'ERR_STATE_REBUILD',
  })
})

const here = ({ revocations }: Setting): number => revocations.list().length

describe('gateways on one database', () => {
  test('learn of each other’s within a look, and end sessions by it', async () => {
    const place = await databases.create()
    const [a, b] = [await setUp(place, { followMs: 10 }), await setUp(place, { followMs: 10 })]
    const ended: string[] = []
    b.revocations.watch(() => ended.push(String(codeFor(b, agent))))
    await a.revocations.revoke(olga, { kind: 'quarantine', agent: 'reconciler' }, 'why')
    await vi.waitFor(() => expect(ended.at(-1)).toBe('ERR_IDENTITY_QUARANTINED'), 20_000)
    await b.revocations.release(olga, 'reconciler', 'over')
    await vi.waitFor(() => expect(codeFor(a, agent)).toBe(null), 20_000)
  })

  test('of twenty revocations at both at once none is lost', async () => {
    const place = await databases.create()
    const [a, b] = [await setUp(place, { followMs: 10 }), await setUp(place, { followMs: 10 })]
    const tokens = Array.from({ length: 20 }, (_, at) => `t${at}`)
    await Promise.all(
      tokens.map((token, at) => (at % 2 === 0 ? a : b).revocations.revoke(olga, { kind: 'token', token }, 'why')),
    )
    await vi.waitFor(() => expect([here(a), here(b)]).toEqual([20, 20]), 20_000)
  })

  test('an assertion that all of them are shown at once is taken once', async () => {
    const place = await databases.create()
    const stores = [await setUp(place), await setUp(place)].map(({ database }) => new RevocationStore(database))
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => stores[at % 2]?.use({ digest: 'digest', forgetAt: 10 }, 5)),
    )
    expect(all.filter((taken) => taken === true)).toHaveLength(1)
    expect(await stores[0]?.use({ digest: 'another', forgetAt: 20 }, 11)).toBe(true) // and forgets those whose time is over
    expect(await stores[1]?.use({ digest: 'digest', forgetAt: 30 }, 12)).toBe(true)
  })
})
