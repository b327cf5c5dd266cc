import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { countersign } from './child.ts'
import type { Stack } from './stack.ts'

/** A working day of a bank's agent, short: what a report has to tell of when everything is as usual, and when it isn't. */
export async function playDay(stack: Stack): Promise<void> {
  await reads(stack)
  await refusals(stack)
  await transfers(stack)
  await crash(stack)
}

async function agent({ line: { env } }: Stack, password = env['PGPASSWORD']): Promise<Client> {
  const { PGHOST: host, PGPORT, PGDATABASE: database, PGUSER: user } = env
  const client = new Client({ host, port: Number(PGPORT), database, user, password })
  client.on('error', () => undefined) // a gateway that dies is told by the statement
  await client.connect()
  return client
}

async function reads(stack: Stack): Promise<void> {
  for (let session = 0; session < 3; session += 1) {
    const client = await agent(stack)
    for (let page = 0; page < 6; page += 1) {
      await client.query('SELECT id, customer_id, balance FROM accounts ORDER BY id LIMIT 5 OFFSET $1', [page * 5])
      await client.query('SELECT name, ssn, email, dob FROM customers ORDER BY id LIMIT 3 OFFSET $1', [page * 3])
    }
    await client.end()
  }
}

async function refusals(stack: Stack): Promise<void> {
  const client = await agent(stack)
  const statements = [
    'DELETE FROM transfers',
    "SELECT name FROM customers WHERE ssn LIKE '900-11%'",
    'SELECT upper(email) FROM customers',
    'SELECT rolpassword FROM pg_authid',
    'UPDATE accounts SET balance = 0',
    'COPY customers TO STDOUT',
  ]
  for (const statement of statements) await client.query(statement).catch(() => undefined)
  await client.end()
  for (const token of ['no token', 'eyJhbGciOiJub25lIn0.e30.']) await agent(stack, token).catch(() => undefined)
}

const TRANSFER = 'INSERT INTO transfers (from_account, to_account, amount, status) VALUES ($1, $2, $3, $4) RETURNING id'

async function transfers(stack: Stack): Promise<void> {
  const client = await agent(stack)
  await hold(client, '250000.00', (id) =>
    answer(stack, 'approver', ['approve', id, '--reason', 'invoice 4711, checked by phone']),
  )
  await hold(client, '90.00', (id) => answer(stack, 'approver2', ['deny', id, '--reason', 'wrong account']))
  await hold(client, '1500000.00', async (id) => {
    await answer(stack, 'approver', ['approve', id, '--reason', 'board resolution 12'])
    await answer(stack, 'approver2', ['approve', id, '--reason', 'called back, confirmed'])
  })
  await client.end()
}

async function answer({ line }: Stack, as: 'approver' | 'approver2', args: readonly string[]): Promise<void> {
  const env = { COUNTERSIGN_API: line.api, COUNTERSIGN_TOKEN: line.principals[as].token }
  const { status, stderr } = await countersign(['approvals', ...args], { env })
  if (status !== 0) throw new Error(`approvals ${args.join(' ')}: ${stderr}`)
}

/** Sends a transfer, and has it answered once the gateway says that it waits. */
async function hold(client: Client, amount: string, answered: (approval: string) => Promise<void>): Promise<void> {
  const asked = new Promise<string>((resolve) => {
    client.once('notice', ({ message }) => resolve(/approval ([0-9a-f-]{36})/.exec(message ?? '')?.[1] ?? ''))
  })
  const done = client.query(TRANSFER, [10, 20, amount, 'new']).catch(() => undefined) // a denial is an answer too
  await answered(await asked)
  await done
}

/** Nobody has answered, and a statement is under way, when the process dies; the next start says what is in doubt. */
async function crash(stack: Stack): Promise<void> {
  const [asking, reading] = [await agent(stack), await agent(stack)]
  const asked = once(asking, 'notice')
  const unanswered = asking.query(TRANSFER, [10, 20, '120.00', 'new']).catch(() => undefined)
  await asked
  const tables = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((alias) => `accounts ${alias}`).join(', ')
  const underway = reading.query(`SELECT count(*) FROM ${tables}`).catch(() => undefined)
  await sleep(300)
  await stack.gateway.kill9()
  await Promise.all([unanswered, underway])
  await stack.gateway.restart()
  const again = await agent(stack)
  await again.query('SELECT id, status FROM transfers ORDER BY id LIMIT 5')
  await again.end()
}
