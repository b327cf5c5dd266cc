import { Client } from 'pg'
import type { QueryResult } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cancel } from '../../support/cancel-request.ts'
import { canariesIn } from '../../support/canaries.ts'
import { countersign } from '../../support/child.ts'
import type { ChildResult } from '../../support/child.ts'
import { countersignHere } from '../../support/command.ts'
import { direct } from '../../support/direct.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

let stack: Stack

beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.stop())

type Person = 'agent' | 'owner' | 'approver' | 'approver2' | 'auditor'

/** `countersign approvals …` as one of the bank's people. */
function approvals(as: Person, ...args: string[]): Promise<ChildResult> {
  return approvalsWith(stack.line.principals[as].token, ...args)
}

function approvalsWith(token: string, ...args: string[]): Promise<ChildResult> {
  return countersignHere(['approvals', ...args], { env: environment(token) })
}

const environment = (token: string): Record<string, string> => ({
  COUNTERSIGN_API: stack.line.api,
  COUNTERSIGN_TOKEN: token,
})

interface Held {
  readonly client: Client
  readonly approval: string
  /** The statement's answer, or the error it ended with. */
  readonly answer: Promise<QueryResult | Error>
}

async function connect(): Promise<Client> {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token })
  client.on('error', () => undefined) // a gateway that dies is told by the query
  await client.connect()
  return client
}

const TRANSFER =
  'INSERT INTO transfers (from_account, to_account, amount, status) VALUES ($1, $2, $3, $4) RETURNING id, status'

/** Sends a transfer and resolves once it is held. `mark` is how its row is found again. */
async function hold(mark: string, amount = '5.00', client?: Client): Promise<Held> {
  const own = client ?? (await connect())
  const asked = new Promise<string>((resolve) => {
    own.on('notice', ({ message }) => {
      const id = /^held for approval (\S+): /.exec(message ?? '')?.[1]
      if (id !== undefined) resolve(id)
    })
  })
  const answer = own.query(TRANSFER, [10, 20, amount, mark]).catch((error: unknown) => {
    if (error instanceof Error) return error
    throw error
  })
  const early = answer.then((ended) => Promise.reject(new Error(`not held: ${JSON.stringify(ended)}`)))
  return { client: own, answer, approval: await Promise.race([asked, early]) }
}

async function transfersMarked(mark: string): Promise<number> {
  return (await direct(stack, `SELECT id FROM transfers WHERE status = '${mark}'`)).length
}

async function stateOf(approval: string): Promise<unknown> {
  const { stdout } = await approvals('approver', 'show', approval, '--json')
  const shown: unknown = JSON.parse(stdout)
  return Reflect.get(Object(shown), 'state')
}

describe('a transfer waits for an answer', () => {
  test('approved through the command line: done once, and answered like any other', async () => {
    const held = await hold('approved')
    const { stdout } = await approvals('approver', 'show', held.approval)
    expect(stdout).toMatch(/asks.*reconciler, agent of olivia/)
    expect(stdout).toMatch(/amount becomes 5\.00/)
    expect(await transfersMarked('approved')).toBe(0)
    const env = environment(stack.line.principals.approver.token)
    const approve = ['approvals', 'approve', held.approval, '--reason', 'invoice 7']
    expect(await countersign(approve, { env })).toMatchObject({ status: 0 })
    expect(await held.answer).toMatchObject({ command: 'INSERT', rowCount: 1, rows: [{ status: 'approved' }] })
    expect(await transfersMarked('approved')).toBe(1)
    expect(await stateOf(held.approval)).toBe('used')
    expect((await held.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await held.client.end()
  })

  test('an approval is for one time: the same statement again asks again', async () => {
    const first = await hold('again')
    await approvals('approver', 'approve', first.approval, '--reason', 'once')
    await first.answer
    const second = await hold('again', '5.00', first.client)
    expect(second.approval).not.toBe(first.approval)
    await approvals('approver', 'deny', second.approval, '--reason', 'you had it')
    await second.answer
    expect(await transfersMarked('again')).toBe(1)
    await first.client.end()
  })

  test('denied: the reason comes through, nothing happens', async () => {
    const held = await hold('denied')
    await approvals('approver', 'deny', held.approval, '--reason', 'wrong account')
    expect(await held.answer).toMatchObject({
      code: '42501',
      message: 'refused by policy: an approver said no: wrong account',
      hint: expect.stringMatching(/rule approval_denied\.$/),
    })
    expect(await transfersMarked('denied')).toBe(0)
    await held.client.end()
  })

  test('a large one needs two people, and one person is not two', async () => {
    const held = await hold('large', '1000000.00')
    await approvals('approver', 'approve', held.approval, '--reason', 'first')
    const twice = await approvals('approver', 'approve', held.approval, '--reason', 'second')
    expect(twice).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_APPROVAL_TWICE') })
    expect(await transfersMarked('large')).toBe(0)
    await approvals('approver2', 'approve', held.approval, '--reason', 'second')
    expect(await held.answer).toMatchObject({ rowCount: 1 })
    await held.client.end()
  })

  test('within a transaction that is rolled back, nothing stays', async () => {
    const client = await connect()
    await client.query('BEGIN')
    const held = await hold('rolled back', '5.00', client)
    await approvals('approver', 'approve', held.approval, '--reason', 'yes')
    expect(await held.answer).toMatchObject({ rowCount: 1 })
    await client.query('ROLLBACK')
    expect(await transfersMarked('rolled back')).toBe(0)
    await client.end()
  })
})

describe('who may not answer', () => {
  let held: Held
  beforeAll(async () => {
    held = await hold('mine')
  })
  afterAll(async () => {
    await approvals('approver', 'deny', held.approval, '--reason', 'the test is over')
    await held.client.end()
  })

  test.each([
    ['the agent that asks', 'agent', 'ERR_APPROVAL_PERSON'],
    ['somebody outside the group', 'auditor', 'ERR_APPROVAL_GROUP'],
  ] as const)('%s', async (_, as, code) => {
    const { status, stderr } = await approvals(as, 'approve', held.approval, '--reason', 'please')
    expect([status, stderr]).toEqual([77, expect.stringContaining(code)])
  })

  test("the agent's owner, who isn't even shown it", async () => {
    const { status, stderr } = await approvals('owner', 'approve', held.approval, '--reason', 'please')
    expect([status, stderr]).toEqual([1, expect.stringContaining('ERR_APPROVAL_UNKNOWN')])
  })

  test("the agent's owner as a member of the group that approves", async () => {
    const token = await stack.identity.tokenWith({ subject: 'olivia', claims: { groups: ['payments'] } })
    const { status, stderr } = await approvalsWith(token, 'approve', held.approval, '--reason', 'please')
    expect([status, stderr]).toEqual([77, expect.stringContaining('ERR_APPROVAL_OWNER')])
  })

  test('anybody without a reason', async () => {
    const { status, stderr } = await approvals('approver', 'approve', held.approval)
    expect([status, stderr]).toEqual([1, expect.stringContaining('ERR_APPROVAL_REASON')])
  })

  test('and after all of it nothing has happened', async () => {
    expect(await transfersMarked('mine')).toBe(0)
    expect(await stateOf(held.approval)).toBe('requested')
  })
})

describe('nobody waits any more', () => {
  test('a client that cancels gets 57014; a yes after that comes too late', async () => {
    const held = await hold('cancelled')
    await cancel(held.client)
    expect(await held.answer).toMatchObject({ code: '57014' })
    const late = await approvals('approver', 'approve', held.approval, '--reason', 'yes')
    expect(late).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_APPROVAL_STATE') })
    expect((await held.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect(await transfersMarked('cancelled')).toBe(0)
    await held.client.end()
  })

  test('a client that goes away leaves its question: approved meanwhile, the same statement goes on once', async () => {
    const held = await hold('gone')
    const socket: unknown = Reflect.get(held.client, 'connection')
    Reflect.get(Object(socket), 'stream').destroy()
    await approvals('approver', 'approve', held.approval, '--reason', 'still fine')
    expect([await stateOf(held.approval), await transfersMarked('gone')]).toEqual(['granted', 0])
    const client = await connect()
    expect(await client.query(TRANSFER, [10, 20, '5.00', 'gone'])).toMatchObject({ rowCount: 1 })
    expect([await stateOf(held.approval), await transfersMarked('gone')]).toEqual(['used', 1])
    await client.end()
  })
})

test('a gateway that dies keeps the question: approved meanwhile, the same statement goes on once', async () => {
  const held = await hold('survivor')
  await stack.gateway.kill9()
  await held.answer
  await stack.gateway.restart()
  expect(await stateOf(held.approval)).toBe('requested')
  await approvals('approver', 'approve', held.approval, '--reason', 'still fine')
  expect(await transfersMarked('survivor')).toBe(0)
  const client = await connect()
  expect(await client.query(TRANSFER, [10, 20, '5.00', 'survivor'])).toMatchObject({ rowCount: 1 })
  expect(await stateOf(held.approval)).toBe('used')
  expect(await transfersMarked('survivor')).toBe(1)
  await client.end()
})

test('the evidence of all this verifies, and holds no canary', async () => {
  await stack.gateway.stop()
  const { status, stdout } = await countersign(['evidence', 'verify', stack.evidence])
  expect([status, stdout]).toEqual([0, expect.stringContaining('OK: nothing was changed')])
  expect(canariesIn(Buffer.from(stack.gateway.log))).toEqual([])
  await stack.gateway.restart()
})
