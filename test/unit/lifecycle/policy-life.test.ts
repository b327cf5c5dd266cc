import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EvidenceError } from '../../../engine/index.ts'
import { LifecycleStore, rebuildPolicies } from '../../../engine/lifecycle/index.ts'
import { openDatabase } from '../../../engine/state/index.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { principal } from '../approvals/setting.ts'
import { toyRevision } from '../policy/bundles.ts'
import { digestOf, olga, omar, opened, rita, setUp, told } from './setting.ts'

const code = (name: string): object => expect.objectContaining({ code: name })
const two = await digestOf('two')
const archive = await toyRevision('two')

const statement = (digest: object, result: string): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'bundle', digest }],
  predicateType: 'https://in-toto.io/attestation/test-result/v0.1',
  predicate: { result },
})

describe('who may do what', () => {
  test('an agent, whatever its groups, neither proposes nor activates nor looks', async () => {
    const { life, start } = await setUp()
    await start('one')
    const agent = principal('robot', { kind: 'agent', groups: ['policy-operators', 'policy-reviewers'] })
    await expect(life.propose(agent, archive)).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(life.activate(agent, two)).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(life.rollback(agent)).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(life.status(agent)).rejects.toThrow(code('ERR_POLICY_PERSON'))
  })

  test('nor does an agent that acts for an operator, nor a person who is none', async () => {
    const { life, start } = await setUp()
    await start('one')
    await expect(life.propose({ ...olga, act: ['robot'] }, archive)).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(life.propose(rita, archive)).rejects.toThrow(code('ERR_POLICY_PERSON'))
  })

  test('a reviewer is a person, in the right group, and not who proposed it or whose pipeline did', async () => {
    const { life, start } = await setUp()
    await start('one')
    await life.propose(omar, archive)
    const review = (by: typeof omar) => life.review(by, two, 'approve', null)
    await expect(review(omar)).rejects.toThrow(code('ERR_POLICY_SELF'))
    await expect(review({ ...omar, issuer: 'https://elsewhere.test' })).rejects.toThrow(code('ERR_POLICY_SELF'))
    await expect(review(olga)).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(review({ ...rita, kind: 'workload' })).rejects.toThrow(code('ERR_POLICY_PERSON'))
    await expect(review({ ...rita, act: ['robot'] })).rejects.toThrow(code('ERR_POLICY_PERSON'))
    const pipeline = principal('pipeline', { kind: 'workload', groups: ['policy-operators'], owner: 'rita' })
    await life.propose(pipeline, await toyRevision('three'))
    await expect(life.review(rita, await digestOf('three'), 'approve', null)).rejects.toThrow(code('ERR_POLICY_SELF'))
  })
})

describe('on its way into force', () => {
  test('proposed, tested, reviewed, activated, rolled back: each in evidence, in that order, before it is true', async () => {
    const { life, start, policy, journal } = await setUp()
    await start('one')
    await life.propose(olga, archive)
    expect(policy.current().reference.revision).toBe('one')
    await life.review(rita, two, 'approve', ' looks right ')
    await life.activate(olga, two)
    expect(policy.current().reference.revision).toBe('two')
    await life.rollback(olga)
    expect(policy.current().reference.revision).toBe('one')
    await life.rollback(olga)
    expect(policy.current().reference.revision).toBe('two')
    expect(told(journal)).toEqual([
      'policy.activated one',
      'policy.proposed two',
      'policy.tested two',
      'policy.reviewed two',
      'policy.activated two',
      'policy.rolled_back one',
      'policy.rolled_back two',
    ])
    expect(journal[3]).toMatchObject({
      principal: { id: 'rita' },
      detail: { change: { number: 4, answer: 'approve', reason: 'looks right', by: { id: 'rita' } } },
    })
  })

  test('what is tested is told as in-toto does, over the very bundle', async () => {
    const { life, start, journal } = await setUp()
    await start('one')
    const { archive: sum } = await life.propose(olga, archive)
    expect(journal[2]?.detail?.['statement']).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'two', digest: { sha256: sum, countersignPolicy: two } }],
      predicateType: 'https://in-toto.io/attestation/test-result/v0.1',
      predicate: { result: 'PASSED' },
    })
  })

  test('without a review, and with a rejection, nothing comes into force', async () => {
    const { life, start, policy, journal } = await setUp()
    await start('one')
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_UNKNOWN'))
    await life.propose(olga, archive)
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_UNREVIEWED'))
    await life.review(rita, two, 'reject', 'too wide')
    await expect(life.review(rita, two, 'approve', null)).rejects.toThrow(code('ERR_POLICY_STEP'))
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_UNREVIEWED'))
    expect(policy.current().reference.revision).toBe('one')
    expect(told(journal).at(-1)).toBe('policy.reviewed two')
  })

  test('where no review is required a rejection still keeps it out', async () => {
    const { life, start, policy } = await setUp({ rules: { review: 'none' } })
    await start('one')
    await life.propose(olga, archive)
    await life.review(rita, two, 'reject', null)
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_UNREVIEWED'))
    expect(policy.current().reference.revision).toBe('one')
  })

  test('a failed test of a pipeline keeps it out, and one about another bundle is refused', async () => {
    const { life, start } = await setUp({ rules: { review: 'none' } })
    await start('one')
    const { archive: sum } = await life.propose(olga, archive)
    const wrong = [
      {},
      statement({}, 'PASSED'),
      statement({ sha256: 'f'.repeat(64) }, 'PASSED'),
      statement({ sha256: sum, countersignPolicy: 'f'.repeat(64) }, 'PASSED'),
      statement({ sha256: sum }, 'FINE'),
    ]
    for (const each of wrong) await expect(life.reportTest(olga, two, each)).rejects.toThrow(code('ERR_POLICY_STEP'))
    await life.reportTest(olga, two, statement({ sha256: sum }, 'FAILED'))
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_UNTESTED'))
    await life.reportTest(olga, two, statement({ countersignPolicy: two }, 'PASSED'))
    expect((await life.activate(olga, two)).active?.policy.revision).toBe('two')
  })

  test('a bundle that does not open is not proposed, and nothing to go back to is said', async () => {
    const { life, start, journal } = await setUp()
    await start('one')
    await expect(life.propose(olga, Buffer.from('no bundle'))).rejects.toThrow(code('ERR_POLICY_BUNDLE'))
    await expect(life.rollback(olga)).rejects.toThrow(code('ERR_POLICY_STEP'))
    expect(told(journal)).toEqual(['policy.activated one'])
  })

  test('proposed twice is proposed once', async () => {
    const { life, start, journal } = await setUp()
    await start('one')
    await Promise.all([life.propose(olga, archive), life.propose(omar, archive)])
    expect(told(journal)).toEqual(['policy.activated one', 'policy.proposed two', 'policy.tested two'])
  })
})

describe('what fails on the way', () => {
  test('evidence that refuses leaves the policy as it was, and the next try goes through', async () => {
    const { life, start, policy, fault } = await setUp({ rules: { review: 'none' } })
    await start('one')
    await life.propose(olga, archive)
    fault.journal = new EvidenceError('ERR_EVIDENCE_RECORD', 'refused before anything was written')
    await expect(life.activate(olga, two)).rejects.toThrow(code('ERR_EVIDENCE_RECORD'))
    expect((await life.status(olga)).active?.policy.revision).toBe('one')
    expect(policy.current().reference.revision).toBe('one')
    fault.journal = null
    await life.activate(olga, two)
    expect(policy.current().reference.revision).toBe('two')
  })

  test('state that fails behind evidence: nothing is decided until a restart brings it up to evidence', async () => {
    using directory = temporaryDirectory()
    const place = join(directory.path, 'state.db')
    const first = await setUp({ rules: { review: 'none' }, place })
    await first.start('one')
    await first.life.propose(olga, archive)
    first.fault.settled = () => first.database.schema.dropTable('policy_bundles').execute()
    await expect(first.life.activate(olga, two)).rejects.toThrow(code('ERR_STATE_QUERY'))
    expect(() => first.life.checkReady()).toThrow(code('ERR_POLICY_SUSPENDED'))
    expect(() => first.policy.current().evaluate('toy', Object.create(null), 0)).toThrow(code('ERR_POLICY_SUSPENDED'))
    await expect(first.life.rollback(olga)).rejects.toThrow(code('ERR_POLICY_STEP'))
    const changes = first.journal.flatMap(({ detail }) => (detail?.['change'] === undefined ? [] : [detail['change']]))
    expect(await rebuildPolicies(first.database, changes)).toBe(1)
    expect((await new LifecycleStore(first.database).standing()).life.active?.policy.digest).toBe(two)
  })

  test('a process killed between evidence and state: the next start is where evidence is', async () => {
    using directory = temporaryDirectory()
    const place = join(directory.path, 'state.db')
    const first = await setUp({ rules: { review: 'none' }, place })
    await first.start('one')
    await first.life.propose(olga, archive)
    const changes = first.journal.map(({ detail }) => detail?.['change'])
    changes.push({ number: 4, at: 1, kind: 'activated', policy: { revision: 'two', digest: two }, by: null })
    expect(await new LifecycleStore(first.database).claim(3, 'gw.1')).toBe(true)
    await first.close()
    const database = await openDatabase(place)
    expect(await rebuildPolicies(database, changes, (writer) => writer !== 'gw.1')).toBe(0) // that one still lives
    expect(await rebuildPolicies(database, changes)).toBe(1)
    expect(await rebuildPolicies(database, changes)).toBe(0)
    await database.destroy()
    const next = await setUp({ rules: { review: 'none' }, place, journal: first.journal })
    await next.start('one')
    expect(next.policy.current().reference.revision).toBe('two')
    expect(told(next.journal).at(-1)).toBe('policy.activated two')
    await next.life.rollback(olga)
    expect(next.policy.current().reference.revision).toBe('one')
  })

  test('evidence that tells of a change in a strange form, or leaves one out, stops the rebuild', async () => {
    const { database } = await setUp()
    const change = { number: 2, at: 1, kind: 'activated', policy: { revision: 'two', digest: two }, by: null }
    await expect(rebuildPolicies(database, [change])).rejects.toThrow(code('ERR_STATE_REBUILD'))
    await expect(rebuildPolicies(database, [{ ...change, kind: 'blessed' }])).rejects.toThrow(code('ERR_STATE_REBUILD'))
  })
})

describe('at a start', () => {
  test('what was activated goes on, whatever file the configuration still names', async () => {
    using directory = temporaryDirectory()
    const place = join(directory.path, 'state.db')
    const first = await setUp({ place, rules: { review: 'none' } })
    await first.start('one')
    await first.life.propose(olga, archive)
    await first.life.activate(olga, two)
    await first.close()
    const next = await setUp({ place, rules: { review: 'none' } })
    await next.start('one')
    expect(next.policy.current().reference.revision).toBe('two')
    expect(next.journal).toMatchObject([{ event: 'policy.activated', detail: { follows: 4 } }])
  })

  test('another file than before comes into force, but where a review is required only a reviewed one', async () => {
    using directory = temporaryDirectory()
    const place = join(directory.path, 'state.db')
    const first = await setUp({ place })
    await first.start('one')
    await first.close()
    const unreviewed = await setUp({ place })
    await unreviewed.start('two')
    expect(unreviewed.policy.current().reference.revision).toBe('one')
    await unreviewed.life.propose(olga, await toyRevision('three'))
    await unreviewed.life.review(rita, await digestOf('three'), 'approve', null)
    await unreviewed.close()
    const reviewed = await setUp({ place })
    await reviewed.start('three')
    expect(reviewed.policy.current().reference.revision).toBe('three')
    await reviewed.close()
    const free = await setUp({ place, rules: { review: 'none' } })
    await free.start('four')
    expect(free.policy.current().reference.revision).toBe('four')
  })

  test('a changed file (SIGHUP) comes into force by the same rules', async () => {
    const file = { archive, policy: await opened(archive) }
    const free = await setUp({ rules: { review: 'none' } })
    await free.start('one')
    await free.life.fileChanged(file)
    expect(free.policy.current().reference.revision).toBe('two')
    await free.life.fileChanged(file)
    expect(told(free.journal)).toEqual(['policy.activated one', 'policy.activated two'])
    const strict = await setUp()
    await strict.start('one')
    await expect(strict.life.fileChanged(file)).rejects.toThrow(code('ERR_POLICY_UNKNOWN'))
    await strict.life.propose(olga, archive)
    await expect(strict.life.fileChanged(file)).rejects.toThrow(code('ERR_POLICY_UNREVIEWED'))
    await strict.life.review(rita, two, 'approve', null)
    await strict.life.fileChanged(file)
    expect(strict.policy.current().reference.revision).toBe('two')
  })

  test('a bundle that was lost with the state is not made up for where a review is required', async () => {
    const { database, start } = await setUp()
    const change = { number: 1, at: 1, kind: 'activated', policy: { revision: 'two', digest: two }, by: null }
    await rebuildPolicies(database, [change])
    await expect(start('one')).rejects.toThrow(code('ERR_POLICY_NONE'))
    await start('two')
    const free = await setUp({ rules: { review: 'none' } })
    await rebuildPolicies(free.database, [change])
    await free.start('one')
    expect(free.policy.current().reference.revision).toBe('one')
  })
})

test('the state database having another bundle under a digest is noticed', async () => {
  using directory = temporaryDirectory()
  const place = join(directory.path, 'state.db')
  const first = await setUp({ place, rules: { review: 'none' } })
  await first.start('one')
  await first.life.propose(olga, archive)
  await first.close()
  const database = await openDatabase(place)
  onTestFinished(() => database.destroy())
  await new LifecycleStore(database).keepBundle(two, await toyRevision('evil'))
  const next = await setUp({ place, rules: { review: 'none' } })
  await next.start('one')
  await expect(next.life.activate(olga, two)).rejects.toThrow(code('ERR_POLICY_BUNDLE'))
  expect(next.policy.current().reference.revision).toBe('one')
})
