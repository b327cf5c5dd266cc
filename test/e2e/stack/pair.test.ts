import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { countersign, type ChildResult } from '../../support/child.ts'
import { direct } from '../../support/direct.ts'
import { pairRun } from '../../support/pair-run.ts'
import { startPair, type Pair } from '../../support/pair.ts'
import { chooseSeed } from '../../support/seeded-random.ts'
import type { Stack } from '../../support/stack.ts'

const seed = chooseSeed()
let pair: Pair

beforeAll(async () => {
  pair = await startPair()
})
afterAll(async () => {
  await pair?.[Symbol.asyncDispose]()
})

/** `countersign approvals …` as ann, at one of the gateways. */
function approvals({ line }: Stack, ...args: string[]): Promise<ChildResult> {
  const env = { COUNTERSIGN_API: line.api, COUNTERSIGN_TOKEN: line.principals.approver.token }
  return countersign(['approvals', ...args], { env })
}

async function connect({ line }: Stack): Promise<Client> {
  const { user, token } = line.principals.agent
  const client = new Client({ ...line.gateway, user, password: token })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const TRANSFER = 'INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, 5.00, $1)'

/** Resolves with the approval's id once the client's transfer is held. */
function held(client: Client): Promise<string> {
  return new Promise((resolve) => {
    client.on('notice', ({ message }) => {
      const id = /^held for approval (\S+): /.exec(message ?? '')?.[1]
      if (id !== undefined) resolve(id)
    })
  })
}

test('an answer given at one gateway reaches the client that waits at the other, once', async () => {
  const [a, b] = pair.gateways
  const client = await connect(a)
  const asked = held(client)
  const answer = client.query(TRANSFER, ['across'])
  const id = await asked
  expect((await approvals(b, 'show', id)).stdout).toMatch(/asks.*reconciler/)
  expect(await approvals(b, 'approve', id, '--reason', 'invoice 7')).toMatchObject({ status: 0 })
  expect(await answer).toMatchObject({ rowCount: 1 })
  expect(await approvals(a, 'approve', id, '--reason', 'again')).toMatchObject({ status: 1 })
  expect(await direct(a, `DELETE FROM transfers WHERE status = 'across' RETURNING 1`)).toHaveLength(1)
  await client.end()
})

test('the same statement at both gateways is one hold, and one yes lets one of them through', async () => {
  const [a, b] = pair.gateways
  const clients = [await connect(a), await connect(b)]
  const asked = Promise.all(clients.map(held))
  const answers = clients.map((client) =>
    client.query(TRANSFER, ['twice']).then(
      () => 'done',
      (error: Error) => error.message,
    ),
  )
  const [one, other] = await asked
  expect(one).toBe(other)
  await approvals(a, 'approve', one ?? '', '--reason', 'one')
  expect((await Promise.all(answers)).toSorted()).toEqual(['done', 'refused by policy: this approval was used already'])
  expect(await direct(a, `DELETE FROM transfers WHERE status = 'twice' RETURNING 1`)).toHaveLength(1)
  for (const client of clients) await client.end()
})

test('a quarantine at one gateway ends the agent’s session at the other, which lets it in no more until it is released', async () => {
  const [a, b] = pair.gateways
  const env = { COUNTERSIGN_API: a.line.api, COUNTERSIGN_TOKEN: await a.identity.personToken('olga') }
  const client = await connect(b)
  const ended = new Promise((resolve) => client.on('error', (error) => resolve(Reflect.get(error, 'code'))))
  expect(await countersign(['agents', 'quarantine', 'reconciler', '--reason', 'x'], { env })).toMatchObject({
    status: 0,
  })
  expect(await ended).toBe('57P01')
  await expect(connect(b)).rejects.toMatchObject({ hint: 'ERR_IDENTITY_QUARANTINED' })
  expect(await countersign(['agents', 'release', 'reconciler', '--reason', 'x'], { env })).toMatchObject({ status: 0 })
  await expect
    .poll(() =>
      connect(b).then(
        (again) => again.end().then(() => 'let in'),
        () => 'refused',
      ),
    )
    .toBe('let in')
})

// The long form is test/fault/postgres/pair.test.ts.
test(`the one that signs killed under load: nothing is lost, and all of it verifies (COUNTERSIGN_SEED=${seed})`, async () => {
  const tally = await pairRun(pair, { seed, victims: ['sequencer'], connections: 4 })
  expect(tally.acknowledged).toBeGreaterThan(5)
  expect(tally.failovers).toBeGreaterThan(0)
})
