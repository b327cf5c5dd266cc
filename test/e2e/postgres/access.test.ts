import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client, type QueryResult } from 'pg'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import type { ChildResult } from '../../support/child.ts'
import { countersignHere } from '../../support/command.ts'
import { startStack, type Stack } from '../../support/stack.ts'
import { receive, type Receiver } from '../../support/webhook-receiver.ts'

let stack: Stack
let receiver: Receiver
const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`
beforeAll(async () => {
  receiver = await receive()
  const file = join(await mkdtemp(join(tmpdir(), 'countersign-webhook-')), 'secret')
  await writeFile(file, SECRET)
  const webhook = { name: 'chat', url: receiver.url.href, secret: { file }, private_network: true }
  stack = await startStack({ webhooks: [webhook] })
  await rm(dirname(file), { recursive: true })
})
afterAll(async () => {
  await stack?.stop()
  receiver?.close()
})

type Person = 'agent' | 'owner' | 'approver' | 'approver2' | 'auditor'

const environment = (as: Person): Record<string, string> => ({
  COUNTERSIGN_API: stack.line.api,
  COUNTERSIGN_TOKEN: stack.line.principals[as].token,
})

function run(as: Person, ...args: string[]): Promise<ChildResult> {
  return countersignHere(args, { env: environment(as) })
}

async function idOf(asked: Promise<ChildResult>): Promise<string> {
  const { stdout, stderr, status } = await asked
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return String(Reflect.get(Object(JSON.parse(stdout)), 'id'))
}

async function connect(): Promise<Client> {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token })
  await client.connect()
  return client
}

function update(client: Client, balance: string): Promise<QueryResult | Error> {
  return client.query('UPDATE accounts SET balance = $1 WHERE id = 10', [balance]).catch((error: Error) => error)
}

const ASK = ['request', '--action', 'postgres.update', '--resource', 'public.accounts', '--for', '10m', '--json']

test('asked for, given and taken back over the command line, under the eyes of one open session', async () => {
  const client = await connect()
  expect(await update(client, '1.00')).toMatchObject({
    code: '42501',
    message: expect.stringContaining('can be asked for with countersign request'),
  })
  const id = await idOf(run('agent', ...ASK, '--reason', 'month end'))
  expect(await run('agent', 'approvals', 'approve', id, '--reason', 'mine')).toMatchObject({ status: 77 })
  expect(await run('owner', 'approvals', 'approve', id, '--reason', 'mine')).toMatchObject({ status: 1 }) // not there, to them
  const page = await run('approver', 'approvals', 'show', id)
  expect(page.stdout).toMatch(/access +│ postgres: postgres\.update/)
  expect(page.stdout).toMatch(/reason +│ month end/)
  expect(await update(client, '1.00')).toBeInstanceOf(Error)
  expect(await run('approver', 'approvals', 'approve', id, '--reason', 'ok')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/granted, in force until/),
  })
  expect(await update(client, '1.00')).toMatchObject({ rowCount: 1 })
  expect(await update(client, '2.00')).toMatchObject({ rowCount: 1 })
  expect(await client.query('DELETE FROM accounts').catch((error: Error) => error)).toBeInstanceOf(Error)
  expect((await run('auditor', 'grants', 'list', '--state', 'granted')).stdout).toMatch(new RegExp(`${id} +granted`))
  expect(await run('approver2', 'grants', 'revoke', id, '--reason', 'done')).toMatchObject({ status: 0 })
  expect(await update(client, '3.00')).toMatchObject({ code: '42501' })
  await client.end()
})

test('a broken glass opens at once for the owner’s agent, and somebody else closes its review', async () => {
  const client = await connect()
  const asked = [...ASK, '--agent', 'reconciler', '--break-glass', '--reason', 'payments are stuck']
  expect((await run('agent', ...asked)).status).toBe(77)
  const id = await idOf(run('owner', ...asked))
  expect(await update(client, '4.00')).toMatchObject({ rowCount: 1 })
  const listed = await run('approver', 'grants', 'list')
  expect(listed.stdout).toMatch(new RegExp(`${id} .*due by `))
  const said = ['grants', 'review', id, '--justified', '--reason', 'incident 42']
  expect((await run('owner', ...said)).status).toBe(77)
  expect((await run('approver', ...said)).status).toBe(0)
  expect((await run('auditor', 'grants', 'show', id)).stdout).toMatch(/review +│ ann found it justified/)
  await run('owner', 'grants', 'revoke', id)
  expect(await update(client, '5.00')).toMatchObject({ code: '42501' })
  await client.end()
})

test('an agent that is put into quarantine between a yes and its use gets nothing for it', async () => {
  const client = await connect()
  const asked = new Promise<string>((resolve) => {
    client.on('notice', ({ message }) => resolve(/^held for approval (\S+):/.exec(message ?? '')?.[1] ?? ''))
  })
  client.on('error', () => undefined)
  const transfer =
    "INSERT INTO transfers (from_account, to_account, amount, status) VALUES (10, 20, 5.00, 'quarantined')"
  const lost = client.query(transfer).catch((error: Error) => error)
  const id = await asked
  Reflect.get(Object(Reflect.get(client, 'connection')), 'stream').destroy()
  await lost
  expect((await run('approver', 'approvals', 'approve', id, '--reason', 'fine')).stdout).toContain('granted')
  const env = { COUNTERSIGN_API: stack.line.api, COUNTERSIGN_TOKEN: await stack.identity.personToken('olga') }
  const operator = (...args: string[]): Promise<ChildResult> => countersignHere(args, { env })
  expect((await operator('agents', 'quarantine', 'reconciler', '--reason', 'odd')).status).toBe(0)
  await expect(connect()).rejects.toThrow(/quarantine/)
  expect((await run('approver', 'approvals', 'show', id)).stdout).toContain('granted')
  expect((await operator('agents', 'release', 'reconciler', '--reason', 'a test')).status).toBe(0)
  const again = await connect()
  expect(await again.query(transfer)).toMatchObject({ rowCount: 1 }) // the yes stands, for who is believed again
  await again.end()
})

test('what an agent had connected is listed for who may look, and for nobody else', async () => {
  const client = await connect()
  await client.query('SELECT 1')
  await expect
    .poll(async () => (await run('auditor', 'sessions', 'list', '--live', '--agent', 'reconciler')).stdout)
    .toMatch(/live +reconciler +postgres/)
  const [first] = JSON.parse((await run('auditor', 'sessions', 'list', '--live', '--json')).stdout).sessions
  expect((await run('auditor', 'sessions', 'show', first.id)).stdout).toMatch(/who +│ reconciler, agent of olivia/)
  expect((await run('agent', 'sessions', 'list')).status).toBe(77)
  expect((await run('auditor', 'sessions', 'show', 'none')).status).toBe(1)
  await client.end()
})

test('who watches sees a question come and go', async () => {
  let told = ''
  const watching = new AbortController()
  const io = {
    stdout: { write: (text: string) => (told += text) },
    stderr: { write: (text: string) => (told += text) },
    env: environment('approver'),
    signal: watching.signal,
  }
  const watched = main(['approvals', 'watch'], io)
  const id = await idOf(run('agent', ...ASK, '--reason', 'to be watched'))
  await expect
    .poll(() => told)
    .toMatch(new RegExp(`${id}  requested, expires in .*grants\\.request on public\\.accounts`))
  await run('approver', 'approvals', 'deny', id, '--reason', 'not today')
  await expect.poll(() => told).toMatch(new RegExp(`${id}  denied`))
  watching.abort()
  expect(await watched).toBe(0)
})

test('another program was told of all of it, signed, and its links ask who comes to sign in', async () => {
  const types = (): string[] => receiver.got.map(({ body }) => String(JSON.parse(body).type))
  const expected = ['approval.requested', 'access.granted', 'access.revoked', 'breakglass.used', 'breakglass.reviewed']
  await expect.poll(types).toEqual(expect.arrayContaining([...expected, 'approval.used', 'approval.denied']))
  for (const { body, headers } of receiver.got) {
    expect(new Webhook(SECRET).verify(body, headers)).toHaveProperty('data.link')
    expect(body).not.toMatch(/month end|payments are stuck|quarantined/)
  }
  const { link } = JSON.parse(receiver.got[0]?.body ?? '').data
  const followed = await fetch(link, { redirect: 'manual' })
  expect([followed.status, followed.headers.get('location')]).toEqual([
    302,
    expect.stringMatching(/^\/console\/sign-in\?return=\/console\/l\//),
  ])
})
