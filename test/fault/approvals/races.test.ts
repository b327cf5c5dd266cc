import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeChangedBundle } from '../../support/changed-bundle.ts'
import { countersign } from '../../support/child.ts'
import { startPair } from '../../support/pair.ts'
import { accounts, answer, ask, rowsMarked, standing, waiting, type Told } from '../../support/race.ts'
import { chooseSeed, seededRandom, type Random } from '../../support/seeded-random.ts'
import { startStack, type Stack } from '../../support/stack.ts'

const seed = chooseSeed()
const APPROVERS = 100
const EXPIRIES = 40
const KILLS = 16
/** What policy gives an approver, in seconds: short enough to be there when it is over. */
const EXPIRES_IN = 2

interface Gateways {
  readonly all: readonly [Stack, ...Stack[]]
  /** The evidence as it now lies in a directory. */
  evidence(): Promise<string>
  stop(): Promise<void>
}

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
    expect(status, stderr).toBe(0)
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
  ] as const)('%s', async ([title, amount, quorum, which], { expect }) => {
    const mark = `m1_${quorum}_${which.length}`
    const asked = await ask(patient.all[0], mark, amount)
    const { id } = await asked.held
    const told = await allAnswer(id, (at) => (which === 'approve' || at % 2 === 0 ? 'approve' : 'deny'))
    const taken = told.filter(({ status }) => status === 200)
    expect(taken, title).toHaveLength(quorum)
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
    let isOver = false
    void ended.then(() => (isOver = true))
    while (!isOver) {
      for (const open of await waiting(patient.all[0])) {
        await answer(patient.all[0], open, { token: people[1] ?? '', verb: 'deny' })
      }
      await sleep(50)
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

/** Answers about when the hold is over, on either side; whether the statement was executed. */
async function expiryTrial({ all }: Gateways, mark: string, random: Random): Promise<boolean> {
  const [first] = all
  const gateway = all[Math.floor(random() * all.length)] ?? first
  const asked = await ask(first, mark)
  const { id } = await asked.held
  const { expiresAt } = await standing(first, id)
  await sleep(Math.max(0, expiresAt - Date.now() - 300 + random() * 330))
  const told = await answer(gateway, id, { token: first.line.principals.approver.token })
  const how = await asked.ended
  const rows = await rowsMarked(first, mark)
  const { state } = await standing(first, id)
  await asked.client.end()
  const executed = 'rows' in how
  expect({ rows, state }, JSON.stringify({ told, how })).toEqual(
    executed ? { rows: 1, state: 'used' } : { rows: 0, state: 'expired' },
  )
  // Who was told that it is granted may still hear that it then ran out; nobody who was refused hears that it was done.
  if (executed) expect(told).toMatchObject({ status: 200, state: 'granted' })
  else if (told.status !== 200) expect(['ERR_APPROVAL_EXPIRED', 'ERR_APPROVAL_STATE']).toContain(told.code)
  return executed
}

/** Kills the client's gateway a moment after a yes, and holds server, approval and evidence against each other. */
async function killTrial(
  gateways: Gateways,
  token: string,
  mark: string,
  random: Random,
): Promise<'done' | 'undone' | 'later' | 'doubtful'> {
  const { all } = gateways
  const [victim] = all
  const answering = all[1] ?? victim
  const asked = await ask(victim, mark)
  const { id } = await asked.held
  const said = answer(answering, id, { token }).catch(() => null)
  // Another gateway's answer is seen within a quarter of a second; a gateway's own at once.
  await sleep(random() * (answering === victim ? 60 : 300))
  await victim.gateway.kill9()
  await said
  await asked.ended
  await victim.gateway.restart()
  const { state } = await standing(victim, id)
  const rows = await settledRows(victim, mark)
  const { used, outcomes } = accounts(await gateways.evidence())(mark)
  const context = JSON.stringify({ mark, state, rows, used, outcomes })
  expect(rows, context).toBeLessThanOrEqual(used.length)
  expect(used.length, context).toBeLessThanOrEqual(1)
  if (outcomes.includes('outcome.ok')) expect(rows, context).toBe(1)
  if (state === 'used') {
    // Spent: nothing may come of it any more, whatever became of it.
    const again = await ask(victim, mark)
    const { id: other } = await again.held
    expect(other).not.toBe(id)
    await answer(victim, other, { token, verb: 'deny' })
    expect(await again.ended).toMatchObject({ error: '42501' })
    await again.client.end()
    expect(await rowsMarked(victim, mark), context).toBe(rows)
    if (rows === 1) return 'done'
    return used.length === 1 ? 'doubtful' : 'undone'
  }
  // Not spent: nothing has happened, and it still happens once.
  expect({ rows, used }, context).toEqual({ rows: 0, used: [] })
  const again = await ask(victim, mark)
  if (state === 'requested') {
    expect((await again.held).id).toBe(id)
    await answer(answering, id, { token })
  }
  expect(await again.ended, context).toEqual({ rows: 1 })
  await again.client.end()
  expect(await rowsMarked(victim, mark), context).toBe(1)
  return 'later'
}

/** Once the server has noticed that the dead gateway's sessions are over. */
async function settledRows(stack: Stack, mark: string): Promise<number> {
  let before = await rowsMarked(stack, mark)
  for (let same = 0; same < 3;) {
    await sleep(100)
    const now = await rowsMarked(stack, mark)
    same = now === before ? same + 1 : 0
    before = now
  }
  return before
}
