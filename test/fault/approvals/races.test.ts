import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { countersign } from '../../support/child.ts'
import { startPair } from '../../support/pair.ts'
import { expiryTrial, killTrial, type Gateways } from '../../support/race-trials.ts'
import { accounts, answer, ask, rowsMarked, waiting, type Told } from '../../support/race.ts'
import { chooseSeed, seededRandom } from '../../support/seeded-random.ts'
import { startStack } from '../../support/stack.ts'

const seed = chooseSeed()
const APPROVERS = 100
const EXPIRIES = 40
const KILLS = 16
/** What policy gives an approver, in seconds: short enough to be there when it is over. */
const EXPIRES_IN = 2

async function quickPolicy(): Promise<{ readonly path: string; readonly directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-races-'))
  const path = join(directory, 'quick.tar.gz')
  await writeChangedBundle('starter', path, (data) => ({
    ...data,
    transfers: { ...Object(data['transfers']), expires_in: EXPIRES_IN },
  }))
  return { path, directory }
}

async function oneOverSqlite(policy: string): Promise<Gateways> {
  const stack = await startStack({ policy })
  return { all: [stack], evidence: () => Promise.resolve(stack.evidence), stop: () => stack.stop() }
}

async function twoOverPostgres(policy: string): Promise<Gateways> {
  const pair = await startPair({ policy })
  const evidence = async (): Promise<string> => {
    const { status, stderr } = await pair.pull()
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.any(String) })
    return pair.evidence
  }
  return { all: pair.gateways, evidence, stop: async () => pair[Symbol.asyncDispose]() }
}

describe.each([
  ['one gateway over SQLite', oneOverSqlite],
  ['two gateways over PostgreSQL', twoOverPostgres],
] as const)(`%s (COUNTERSIGN_SEED=${seed})`, (_name, open) => {
  const random = seededRandom(seed)
  let patient: Gateways
  let people: readonly string[]
  beforeAll(async () => {
    patient = await open('starter')
    const [{ identity }] = patient.all
    people = await Promise.all(
      Array.from({ length: APPROVERS }, (_, at) =>
        identity.tokenWith({ subject: `person-${at}`, claims: { groups: ['payments'], kind: 'person' } }),
      ),
    )
  })
  afterAll(() => patient?.stop())

  /** All of them at once, spread over the gateways. */
  const allAnswer = (id: string, verbOf: (at: number) => 'approve' | 'deny'): Promise<readonly Told[]> =>
    Promise.all(
      people.map((token, at) => {
        const gateway = patient.all[at % patient.all.length] ?? patient.all[0]
        return answer(gateway, id, { token, verb: verbOf(at) })
      }),
    )

  test.for([
    ['one yes of 100 people at once is the one that counts', '5.00', 1, 'approve'],
    ['two of 100 people at once are the two that count', '1000000.00', 2, 'approve'],
    ['of 50 that say yes and 50 that say no one is first', '6.00', 1, 'both'],
  ] as const)('%s', async ([, amount, quorum, which]) => {
    const mark = `m1_${quorum}_${which.length}`
    const asked = await ask(patient.all[0], mark, amount)
    const { id } = await asked.held
    const told = await allAnswer(id, (at) => (which === 'approve' || at % 2 === 0 ? 'approve' : 'deny'))
    const taken = told.filter(({ status }) => status === 200)
    expect(taken).toHaveLength(quorum)
    expect(new Set(told.filter(({ status }) => status !== 200).map(({ code }) => code))).toEqual(
      new Set(['ERR_APPROVAL_STATE']),
    )
    const granted = taken.some(({ state }) => state === 'granted')
    expect(await asked.ended).toMatchObject(granted ? { rows: 1 } : { error: '42501' })
    expect(await rowsMarked(patient.all[0], mark)).toBe(granted ? 1 : 0)
    const { used, outcomes } = accounts(await patient.evidence())(mark)
    expect({ used, outcomes }).toEqual(granted ? { used: [id], outcomes: ['outcome.ok'] } : { used: [], outcomes: [] })
    await asked.client.end()
  })

  test('an approval that ten clients come for at once is used by one of them', async () => {
    const mark = 'm2_1_1'
    const first = await ask(patient.all[0], mark)
    const { id } = await first.held
    Reflect.get(Object(Reflect.get(first.client, 'connection')), 'stream').destroy()
    await first.ended
    expect(await answer(patient.all[0], id, { token: people[0] ?? '' })).toMatchObject({ state: 'granted' })
    const clients = await Promise.all(
      Array.from({ length: 10 }, (_, at) => ask(patient.all[at % patient.all.length] ?? patient.all[0], mark)),
    )
    // Who comes after it was used asks anew: that is answered with no, so that everybody hears of an end.
    const ended = Promise.all(clients.map((each) => each.ended))
    while ((await Promise.race([ended, sleep(50)])) === undefined) {
      for (const open of await waiting(patient.all[0])) {
        await answer(patient.all[0], open, { token: people[1] ?? '', verb: 'deny' })
      }
    }
    const done = await ended
    expect(done.filter((how) => 'rows' in how)).toHaveLength(1)
    expect(await rowsMarked(patient.all[0], mark)).toBe(1)
    expect(accounts(await patient.evidence())(mark)).toEqual({ used: [id], outcomes: ['outcome.ok'] })
    for (const { client } of clients) await client.end()
  })

  test(
    'an answer at the instant of expiry is in time, or too late, and everybody agrees which',
    { timeout: 600_000 },
    async () => {
      const { path, directory } = await quickPolicy()
      await using opened = new AsyncDisposableStack()
      opened.defer(() => rm(directory, { recursive: true }))
      const quick = await open(path)
      opened.defer(() => quick.stop())
      const tally = { done: 0, late: 0 }
      for (let batch = 0; batch < EXPIRIES / 10; batch += 1) {
        const trials = Array.from({ length: 10 }, (_, at) => expiryTrial(quick, `m3_${batch}_${at}`, random))
        for (const executed of await Promise.all(trials)) tally[executed ? 'done' : 'late'] += 1
      }
      process.stdout.write(`${JSON.stringify({ expiry: tally })}\n`)
      const account = accounts(await quick.evidence())
      let used = 0
      for (let batch = 0; batch < EXPIRIES / 10; batch += 1) {
        for (let at = 0; at < 10; at += 1) used += account(`m3_${batch}_${at}`).used.length
      }
      expect(used).toBe(tally.done)
    },
  )

  test(
    'a gateway that is killed between approval and execution has done it once or not at all',
    { timeout: 900_000 },
    async () => {
      const tally = { done: 0, undone: 0, later: 0, doubtful: 0 }
      for (let round = 0; round < KILLS; round += 1) {
        const how = await killTrial(patient, people[0] ?? '', `m4_${round}_1`, random)
        tally[how] += 1
      }
      process.stdout.write(`${JSON.stringify({ kill: tally })}\n`)
      expect(tally.done + tally.undone + tally.later + tally.doubtful).toBe(KILLS)
    },
  )

  test('and the evidence of all this verifies', { timeout: 120_000 }, async () => {
    for (const { gateway } of patient.all) await gateway.stop()
    const { status, stdout } = await countersign(['evidence', 'verify', await patient.evidence()])
    expect([status, stdout]).toEqual([0, expect.stringContaining('OK: nothing was changed')])
    for (const { gateway } of patient.all) await gateway.restart()
  })
})
