import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startDatabases, type Databases } from '../../support/databases.ts'
import { toyRevision } from '../policy/bundles.ts'
import { digestOf, olga, setUp, told, type Setting } from './setting.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(async () => {
  await databases?.[Symbol.asyncDispose]()
})

const two = await digestOf('two')
const archive = await toyRevision('two')

/** Two gateways on one database, each with its own records. */
async function pair(): Promise<readonly [Setting, Setting]> {
  const place = await databases.create()
  const open = (instance: string) => setUp({ place, instance, followMs: 10, rules: { review: 'none' } })
  const [a, b] = [await open('gw-a'), await open('gw-b')]
  await Promise.all([a.start('one'), b.start('one')])
  return [a, b]
}

const revisionAt = (setting: Setting): string => setting.policy.current().reference.revision

test('of two first starts one puts the policy in force and the other follows, each in its own records', async () => {
  const [a, b] = await pair()
  expect([told(a.journal), told(b.journal)]).toEqual([['policy.activated one'], ['policy.activated one']])
  const all = [...a.journal, ...b.journal].map(({ detail }) => ('change' in (detail ?? {}) ? 'change' : 'follows'))
  expect(all.toSorted()).toEqual(['change', 'follows'])
})

test('what is activated at one comes into force at the other, in its own records first', async () => {
  const [a, b] = await pair()
  await a.life.propose(olga, archive)
  await b.life.activate(olga, two)
  expect(revisionAt(b)).toBe('two')
  await vi.waitFor(() => expect(revisionAt(a)).toBe('two'), 20_000)
  expect(told(a.journal).at(-1)).toBe('policy.activated two')
  await a.life.rollback(olga)
  await vi.waitFor(() => expect(revisionAt(b)).toBe('one'), 20_000)
  expect(told(b.journal).at(-1)).toBe('policy.activated one')
})

test('of ten activations and rollbacks at both at once each is one change, and both end where the last one left it', async () => {
  const [a, b] = await pair()
  await a.life.propose(olga, archive)
  await a.life.activate(olga, two)
  await Promise.all(
    Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? a : b).life.rollback(olga).catch(() => undefined)),
  )
  const { active, version } = await a.life.status(olga)
  await vi.waitFor(() => expect([revisionAt(a), revisionAt(b)]).toEqual(Array(2).fill(active?.policy.revision)), 20_000)
  const numbers = [...a.journal, ...b.journal].flatMap(({ detail }) => {
    const change: unknown = detail?.['change']
    return change === undefined ? [] : [Number(Reflect.get(Object(change), 'number'))]
  })
  expect(numbers.toSorted((one, other) => one - other)).toEqual(Array.from({ length: version }, (_, at) => at + 1))
})

test('a gateway that can not open what is in force decides nothing until it can', async () => {
  const [a, b] = await pair()
  b.fault.admit = new Error('signed by a key that this gateway does not know')
  await a.life.propose(olga, archive)
  await a.life.activate(olga, two)
  const suspended = expect.objectContaining({ code: 'ERR_POLICY_SUSPENDED' })
  await vi.waitFor(() => expect(() => b.life.checkReady()).toThrow(suspended), 20_000)
  expect(() => b.policy.current().evaluate('toy', Object.create(null), 0)).toThrow(suspended)
  b.fault.admit = null
  await vi.waitFor(() => b.life.checkReady(), 20_000)
  expect(revisionAt(b)).toBe('two')
})
