import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { readRecords } from '../../../engine/evidence/index.ts'
import type { ChildResult } from '../../support/child.ts'
import { countersignHere } from '../../support/command.ts'
import { startStack, type Stack } from '../../support/stack.ts'

let stack: Stack
let operator: string
beforeAll(async () => {
  stack = await startStack({ believed: { sessions: { on_expiry: 'at_once' } } })
  operator = await stack.identity.personToken('olga')
})
afterAll(() => stack?.stop())

const now = (): number => Math.floor(Date.now() / 1000)

function command(...args: string[]): Promise<ChildResult> {
  return countersignHere(args, { env: { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: operator } })
}

/** The end of a connection, as its driver tells it: SQLSTATE and message. */
type Ending = Promise<string>

async function connect(token: string): Promise<{ readonly client: Client; readonly ending: Ending }> {
  const client = new Client({ ...stack.line.gateway, user: 'reconciler', password: token })
  const ended = Promise.withResolvers<string>()
  client.on('error', (error) => ended.resolve(`${String(Reflect.get(error, 'code'))} ${error.message}`))
  onTestFinished(() => client.end().catch(() => undefined))
  await client.connect()
  return { client, ending: ended.promise }
}

const refusal = (token: string): Promise<string> =>
  connect(token).then(
    () => 'let in',
    (error: unknown) => String(Reflect.get(Object(error), 'hint')),
  )

/** A token of the agent's own, whose id (jti) a test can name. */
const agentToken = (claims: Record<string, unknown> = {}): Promise<string> =>
  stack.identity.tokenWith({ subject: 'reconciler', claims })

async function recorded(event: string): Promise<Record<string, unknown>[]> {
  const records: Record<string, unknown>[] = []
  for await (const { record } of readRecords(stack.evidence, { mark: `"event":"${event}"` }))
    records.push(record.fields)
  return records
}

describe('revocation', () => {
  test('of a token ends its sessions, and no other’s', async () => {
    const [one, other] = [await agentToken({ jti: 'stolen' }), await agentToken({ jti: 'kept' })]
    const { ending } = await connect(one)
    const { client } = await connect(other)
    const told = await command('revoke', '--token', 'stolen', '--reason', 'found on a pastebin')
    expect([told.status, told.stdout]).toEqual([0, expect.stringMatching(/^revoked: token stolen \(/)])
    expect(await ending).toMatch(/^57P01 terminating connection: the token has been revoked/)
    expect(await refusal(one)).toBe('ERR_IDENTITY_REVOKED')
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const [record] = await recorded('credential.revoked')
    expect(record).toMatchObject({
      principal: { id: 'olga' },
      detail: { revocation: { reason: 'found on a pastebin' } },
    })
  })

  test('of all that an agent was issued leaves what it is issued afterwards', async () => {
    const before = await agentToken({ iat: now() - 10 })
    const { ending } = await connect(before)
    await command(
      'revoke',
      '--subject',
      'reconciler',
      '--issued-before',
      new Date((now() - 5) * 1000).toISOString(),
      '--reason',
      'its host was rebuilt',
    )
    expect(await ending).toMatch(/^57P01 .*get a fresh one/)
    expect(await refusal(before)).toBe('ERR_IDENTITY_REVOKED')
    expect(await refusal(await agentToken())).toBe('let in')
  })

  test('holds over a gateway that is killed and started again', async () => {
    const token = await agentToken({ jti: 'stolen-later' })
    await command('revoke', '--token', 'stolen-later', '--reason', 'x')
    await stack.gateway.kill9()
    await stack.gateway.restart()
    expect(await refusal(token)).toBe('ERR_IDENTITY_REVOKED')
  })

  test('is for operators alone', async () => {
    const ann = await stack.identity.personToken('ann')
    const env = { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: ann }
    const told = await countersignHere(['revoke', '--token', 'x', '--reason', 'x'], { env })
    expect([told.status, told.stderr]).toEqual([77, expect.stringContaining('ERR_IDENTITY_ROLE')])
  })
})

describe('quarantine', () => {
  test('ends the agent’s sessions and lets it in nowhere until it is released', async () => {
    const token = await agentToken()
    const { client, ending } = await connect(token)
    await client.query('SELECT count(*) FROM transfers')
    expect(await command('agents', 'quarantine', 'reconciler', '--reason', 'asks odd things')).toMatchObject({
      status: 0,
    })
    expect(await ending).toMatch(/^57P01 terminating connection: reconciler is in quarantine/)
    expect(await refusal(await agentToken())).toBe('ERR_IDENTITY_QUARANTINED')
    const shown = await command('agents', 'list')
    expect(shown.stdout).toMatch(/^reconciler +quarantined +olivia +medium +20\d\d-/m)
    expect(await command('agents', 'release', 'reconciler', '--reason', 'it was a test')).toMatchObject({ status: 0 })
    expect(await refusal(token)).toBe('let in')
    const told = [...(await recorded('agent.quarantined')), ...(await recorded('agent.released'))]
    expect(told.map(({ event }) => event)).toEqual(['agent.quarantined', 'agent.released'])
    await expect.poll(async () => (await command('agents', 'show', 'reconciler')).stdout).toMatch(/read-public/)
  })

  test('of an agent that isn’t in one can’t be ended', async () => {
    const told = await command('agents', 'release', 'reconciler', '--reason', 'x')
    expect([told.status, told.stderr]).toEqual([1, expect.stringContaining('ERR_IDENTITY_UNKNOWN')])
  })
})

describe('a token that expires', () => {
  test('ends its session, running statement and all, with evidence of why', async () => {
    const { client, ending } = await connect(await agentToken({ exp: now() + 3 }))
    const answer = client.query('SELECT count(*) FROM transfers').then(
      () => 'answered',
      () => 'broken off',
    )
    expect(await ending).toMatch(/^57P01 terminating connection: the token of this session has expired/)
    await answer
    const [expired] = await recorded('credential.expired')
    const closed = (await recorded('session.closed')).find(({ session }) => session === expired?.['session'])
    expect(closed).toMatchObject({ detail: { reason: 'credential over' } })
  })

  test('leaves the hold that its session waited on, for who comes back with a fresh one', async () => {
    const transfer = `INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, 5.00, 'pending') RETURNING status`
    const { client } = await connect(await agentToken({ exp: now() + 3 }))
    const asked = new Promise<string>((resolve) => {
      client.on('notice', ({ message }) => resolve(/^held for approval (\S+):/.exec(message ?? '')?.[1] ?? ''))
    })
    const broken = client.query(transfer).catch((error: unknown) => Reflect.get(Object(error), 'code'))
    const hold = await asked
    expect(await broken).toBe('57P01')
    const again = await connect(await agentToken())
    const answer = again.client.query(transfer)
    const approver = { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: stack.line.principals.approver.token }
    const said = await countersignHere(['approvals', 'approve', hold, '--reason', 'fine'], { env: approver })
    expect([said.status, said.stderr]).toEqual([0, ''])
    expect((await answer).rows).toEqual([{ status: 'pending' }])
  })
})

test('the evidence of all that verifies, and an ended session replays', async () => {
  const verified = await countersignHere(['evidence', 'verify', stack.evidence])
  expect([verified.status, verified.stderr]).toEqual([0, ''])
  const [expired] = await recorded('credential.expired')
  const replayed = await countersignHere([
    'replay',
    stack.evidence,
    '--session',
    String(expired?.['session']),
    '--no-wait',
  ])
  expect([replayed.status, replayed.stdout]).toEqual([0, expect.stringContaining('transfers')])
})
