import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { openLedger, rebuild, type ApprovalEvent, type ApprovalLedger } from '../../../engine/approvals/index.ts'
import { openDatabase, type Database } from '../../../engine/state/index.ts'
import { startDatabases, type Databases } from '../../support/databases.ts'
import { drafted } from '../../../engine/approvals/drafting.ts'
import { LiveGrants } from '../../../engine/approvals/live-grants.ts'
import { ann, codeOf, DIGEST, draft, forever, reconciler } from './setting.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(async () => {
  await databases?.[Symbol.asyncDispose]()
})

interface Shared {
  readonly ledgers: readonly [ApprovalLedger, ApprovalLedger]
  readonly database: Database
  readonly journal: ApprovalEvent[]
}

/** Two gateways' ledgers on one database, each over a pool of its own, and what evidence has of both. */
async function setUpTwo(): Promise<Shared> {
  const place = await databases.create()
  const journal: ApprovalEvent[] = []
  let count = 0
  const open = async (writer: string): Promise<readonly [ApprovalLedger, Database]> => {
    const database = await openDatabase(place)
    const ledger = await openLedger(database, {
      now: () => Date.UTC(2026, 0, 1),
      newId: () => `approval-${(count += 1)}`,
      writer,
      followMs: 20,
      journal: async (event) => {
        await Promise.resolve()
        journal.push(event)
      },
    })
    onTestFinished(async () => {
      await ledger.close()
      await database.destroy()
    })
    return [ledger, database]
  }
  const [[a, database], [b]] = await Promise.all([open('gw-a.1'), open('gw-b.1')])
  return { ledgers: [a, b], database, journal }
}

it('an answer given at one wakes who waits at the other, and one of 100 uses at both goes through', async () => {
  const { ledgers, journal } = await setUpTwo()
  const [a, b] = ledgers
  const { id } = await a.request(draft())
  const waiting = a.settled(id, forever())
  await b.answer(id, { by: ann, answer: 'approve', reason: null })
  expect(await waiting).toMatchObject({ state: 'granted', version: 2 })
  const uses = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? a : b).use(id, DIGEST).then(() => 'used', codeOf))
  const outcomes = Map.groupBy(await Promise.all(uses), (outcome) => outcome)
  expect(outcomes.get('used')).toHaveLength(1)
  expect(outcomes.get('ERR_APPROVAL_STATE')).toHaveLength(99)
  expect(journal.map(({ event }) => event)).toEqual(['approval.requested', 'approval.granted', 'approval.used'])
})

it('the same request at both is one hold, whoever asks first', async () => {
  const { ledgers, journal } = await setUpTwo()
  const asked = await Promise.all(
    Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? ledgers[0] : ledgers[1]).request(draft())),
  )
  expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
  expect(journal).toHaveLength(1)
})

it('what a dead gateway was changing is nobody’s to change until its writer is over, and then what evidence says', async () => {
  const { ledgers, database, journal } = await setUpTwo()
  const [a] = ledgers
  const { id } = await a.request(draft())
  await a.answer(id, { by: ann, answer: 'approve', reason: null })
  const granted = await a.get(id)
  const used = { ...granted, version: 3, state: 'used' }
  await database.updateTable('approvals').set({ changing: 'gw-b.1' }).execute()
  expect(await a.use(id, DIGEST).then(() => 'used', codeOf)).toBe('ERR_STATE_BUSY')
  expect(journal).toHaveLength(2)
  const evidence = [...journal.map(({ approval }) => approval), used]
  expect(await rebuild(database, evidence, (writer) => writer === 'gw-c.1')).toBe(0)
  expect(await a.get(id)).toMatchObject({ state: 'granted' })
  expect(await rebuild(database, evidence, (writer) => writer === 'gw-b.1')).toBe(1)
  expect(await a.use(id, DIGEST).then(() => 'used again', codeOf)).toBe('ERR_APPROVAL_STATE')
})

it('a grant given at one is in force at the other, and over there too once it is revoked here', async () => {
  const { ledgers, journal } = await setUpTwo()
  const [a, b] = ledgers
  const subject = { id: reconciler.id, issuer: reconciler.issuer, act: [] }
  const scope = { plane: 'postgres', actions: ['write'], resources: ['public.accounts'], seconds: 60 }
  const grant = { ...scope, subject, reason: 'month end', break_glass: false }
  const { id } = await a.request(draft({ grant }))
  expect(a.grantsOf(reconciler)).toEqual([])
  await b.answer(id, { by: ann, answer: 'approve', reason: null })
  expect(b.grantsOf(reconciler)).toMatchObject([{ id, approved_by: ['ann'] }])
  await expect.poll(() => a.grantsOf(reconciler)).toMatchObject([{ id, plane: 'postgres', actions: ['write'] }])
  await a.revoke(id, { by: ann, reason: null })
  expect(a.grantsOf(reconciler)).toEqual([])
  await expect.poll(() => b.grantsOf(reconciler)).toEqual([])
  expect(journal.map(({ event }) => event)).toEqual(['approval.requested', 'access.granted', 'access.revoked'])
})

it('a gateway that can no longer see the store lets nothing through by a grant', async () => {
  const live = new LiveGrants()
  const subject = { id: reconciler.id, issuer: reconciler.issuer, act: [] }
  const scope = { plane: 'postgres', actions: ['write'], resources: ['public.accounts'], seconds: 60 }
  const asked = drafted(draft({ grant: { ...scope, subject, reason: 'x', break_glass: false } }), 'g', 0)
  const granted = { ...asked, state: 'granted' as const }
  live.replace([granted], performance.now())
  expect(live.of(reconciler, 1)).toHaveLength(1)
  live.replace([granted], performance.now() - 5_001)
  expect(live.of(reconciler, 1)).toEqual([])
  // What ended here is not brought back by a look that began before.
  live.take({ ...granted, state: 'revoked' })
  live.replace([granted], performance.now())
  expect(live.of(reconciler, 1)).toEqual([])
})
