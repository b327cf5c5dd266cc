import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  openLedger,
  rebuild,
  type Approval,
  type ApprovalEvent,
  type ApprovalLedger,
} from '../../../engine/approvals/index.ts'
import { ApprovalError } from '../../../engine/index.ts'
import type { Database } from '../../../engine/state/index.ts'
import { draft, openStore, overEachStore, principal, reconciler, terms } from './setting.ts'

const PEOPLE = [
  principal('ann'),
  principal('ben'),
  principal('cleo'),
  principal('olivia'), // the agent's owner
  principal('eve', { groups: [] }),
  principal('robot', { kind: 'agent' }),
  { ...reconciler, groups: ['payments'] },
]
const ELIGIBLE = ['ann', 'ben', 'cleo']
const DIGESTS = ['a'.repeat(64), 'b'.repeat(64)]

type Step =
  | { readonly do: 'request'; readonly request: number; readonly quorum: number }
  | { readonly do: 'answer'; readonly id: number; readonly by: number; readonly answer: 'approve' | 'deny' }
  | { readonly do: 'use'; readonly id: number; readonly isSame: boolean }
  | { readonly do: 'withdraw'; readonly id: number }
  | { readonly do: 'pass'; readonly seconds: number }

const id = fc.constantFrom(1, 1, 1, 2, 2, 3)
const request = fc.constantFrom(0, 0, 1)
const quorum = fc.constantFrom(1, 1, 2, 3)
const by = fc.oneof(fc.nat({ max: ELIGIBLE.length - 1 }), fc.nat({ max: PEOPLE.length - 1 }))
const answer = fc.constantFrom('approve', 'approve', 'approve', 'approve', 'deny')
const seconds = fc.constantFrom(1, 1, 599, 600)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('request'), request, quorum }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('answer'), id, by, answer }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('use'), id, isSame: fc.constantFrom(true, true, false) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw'), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), seconds }) },
)
const batches = fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 4, maxLength: 16, size: 'max' })

overEachStore((store) => {
  const seen = new Set<string>()
  it('whatever is asked, answered and used at once, in any order: the rules hold, and evidence alone rebuilds the table', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (steps) => {
        const { events, table } = await play(steps)
        for (const { event } of events) seen.add(event)
        for (const approval of table) checkRules(approval, events)
        expect(await rebuilt(events)).toEqual(table)
      }),
      { numRuns: store === 'SQLite' ? 60 : 15 },
    )
    expect(seen.size).toBeGreaterThanOrEqual(store === 'SQLite' ? 7 : 5) // each kind of event came up: the rules were put to the test
  })
})

/** Runs the batches one after the other, the steps of each at once. */
async function play(
  batches: readonly (readonly Step[])[],
): Promise<{ events: ApprovalEvent[]; table: readonly Approval[] }> {
  const database = await openStore(':memory:')
  const clock = { now: 1_000_000 }
  const events: ApprovalEvent[] = []
  let count = 0
  const ledger = await openLedger(database, {
    now: () => clock.now,
    newId: () => `approval-${(count += 1)}`,
    writer: 'gw-1.1',
    journal: async (event) => {
      await Promise.resolve()
      events.push(event)
    },
  })
  const unforeseen: unknown[] = []
  for (const batch of batches) {
    for (const settled of await Promise.allSettled(batch.map((each) => take(each, ledger, clock)))) {
      if (settled.status === 'rejected' && !(settled.reason instanceof ApprovalError)) unforeseen.push(settled.reason)
    }
  }
  expect(unforeseen).toEqual([])
  const table = await ledger.list()
  await ledger.close()
  await database.destroy()
  return { events, table: table.toSorted(byId) }
}

async function take(each: Step, ledger: ApprovalLedger, clock: { now: number }): Promise<void> {
  switch (each.do) {
    case 'request':
      await ledger.request(draft({ digest: DIGESTS[each.request] ?? '', ...terms({ quorum: each.quorum }) }))
      break
    case 'answer': {
      const by = PEOPLE[each.by] ?? principal('nobody')
      await ledger.answer(`approval-${each.id}`, { by, answer: each.answer, reason: null })
      break
    }
    case 'use': {
      const approval = await ledger.get(`approval-${each.id}`)
      await ledger.use(`approval-${each.id}`, each.isSame ? (approval?.digest ?? '') : 'c'.repeat(64))
      break
    }
    case 'withdraw':
      await ledger.withdraw(`approval-${each.id}`)
      break
    case 'pass':
      clock.now += each.seconds * 1000
      break
  }
}

function checkRules(approval: Approval, events: readonly ApprovalEvent[]): void {
  const mine = events.filter((event) => event.approval.id === approval.id)
  expect(mine.map((event) => event.approval.version)).toEqual(mine.map((_, index) => index + 1))
  expect(mine.filter(({ event }) => event === 'approval.used').length).toBeLessThanOrEqual(1)
  const yes = approval.answers.filter(({ answer }) => answer === 'approve').map(({ by }) => by)
  expect(new Set(yes).size).toBe(yes.length)
  expect(approval.answers.filter(({ by }) => !ELIGIBLE.includes(by))).toEqual([])
  const wasGranted = mine.some(({ event }) => event === 'approval.granted')
  expect(wasGranted).toBe(yes.length >= approval.terms.quorum && yes.length === approval.answers.length)
  expect(approval.state === 'used' && !wasGranted).toBe(false)
}

async function rebuilt(events: readonly ApprovalEvent[]): Promise<readonly Approval[]> {
  const database = await openStore(':memory:')
  await rebuild(
    database,
    events.map(({ approval }) => approval),
  )
  const table = await documents(database)
  await database.destroy()
  return table.toSorted(byId)
}

async function documents(database: Database): Promise<readonly Approval[]> {
  const ledger = await openLedger(database, {
    now: () => 0,
    newId: () => 'none',
    writer: 'gw-1.2',
    journal: () => Promise.resolve(),
  })
  const table = await ledger.list()
  await ledger.close()
  return table
}

function byId(one: Approval, other: Approval): number {
  return one.id < other.id ? -1 : 1
}
