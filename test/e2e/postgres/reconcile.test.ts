import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { main } from '../../../cli/main.ts'
import { LOG_EVERYTHING, logged } from '../../support/server-log.ts'
import { startStack, type Stack } from '../../support/stack.ts'

let stack: Stack

beforeAll(async () => {
  stack = await startStack({ settings: LOG_EVERYTHING })
})
afterAll(() => stack.stop())

async function through(work: (client: Client) => Promise<unknown>): Promise<void> {
  const { user, token } = stack.line.principals.agent
  const client = new Client({ ...stack.line.gateway, user, password: token }).on('error', () => undefined)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

async function insider(sql: string, settings: object = {}): Promise<void> {
  const { host, port, database, user, password } = stack.line.upstream
  const client = new Client({ host, port, database, user, password, ...settings })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

async function reconcile(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const io = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
    env: {},
  }
  const code = await main(['postgres', 'reconcile', stack.evidence, ...args], io)
  return { code, out, err }
}

test('one SELECT of an insider among hundreds of the gateway’s is named, and nothing else', async () => {
  await through(async (client) => {
    for (let n = 0; n < 200; n += 1) await client.query('SELECT $1::int + 1', [n])
    for (let n = 0; n < 50; n += 1) await client.query(`SELECT id, name FROM customers WHERE id = ${n}`)
    await client.query('SELECT 1; SELECT 2')
    await client.query('BEGIN')
    await client.query({ name: 'many', text: 'SELECT id FROM customers WHERE id = $1', values: [1] })
    await client.query({ name: 'many', text: 'SELECT id FROM customers WHERE id = $1', values: [2] })
    await client.query('SELECT 1 / 0').catch(() => undefined)
    await client.query('SELECT 1').catch(() => undefined)
    await client.query('ROLLBACK')
    await client.query('DROP TABLE customers').catch(() => undefined)
    await client.query('SELECT nothing FROM customers').catch(() => undefined)
    await client.query('')
    await client.query("SELECT 'a\nb\"c,d' AS x")
    await client.query('SELECT 1 /* a comment: statement: SELECT 2 */')
  })
  await insider("SELECT ssn FROM customers WHERE name = 'x' -- around", { application_name: 'countersign catalogue' })
  await through(async (client) => {
    for (let n = 0; n < 100; n += 1) await client.query('SELECT $1::int + 1', [n])
  })
  await new Promise((resolve) => setTimeout(resolve, 1500))
  for (const form of ['csv', 'json'] as const) {
    const files = await logged(stack.postgres, form, '-- around')
    const { code, out, err } = await reconcile('--server-log', ...files)
    console.log(out, err)
    expect(err).toBe('')
    expect(code).toBe(1)
    const report = JSON.parse((await reconcile('--json', '--server-log', ...files)).out)
    expect(report.around.map(({ text }: { text: string }) => text)).toEqual(['SELECT ssn FROM customers WHERE name = $1'])
    expect(report.unlogged).toEqual([])
    expect(report.unjudged).toEqual([])
  }
})
