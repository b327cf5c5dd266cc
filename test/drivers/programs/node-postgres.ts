/** What node-postgres sees, step by step (../steps.ts), over the connection that PG* variables give. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { cancel } from '../../support/cancel-request.ts'
import { report, TYPES } from './report.ts'

const RUNNING = Symbol('it runs')

const code = (error: unknown): string =>
  error instanceof DatabaseError ? (error.code ?? '') : error instanceof Error ? error.message : String(error)

async function rows(client: Client, text: string, values?: readonly unknown[], name?: string): Promise<unknown> {
  const query = { text, rowMode: 'array', ...(name === undefined ? {} : { name }) } as const
  return (await client.query(values === undefined ? query : { ...query, values: [...values] })).rows
}

async function failing(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    return code(error)
  }
}

const steps: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  types: (client) => rows(client, TYPES, []),
  read: (client) => rows(client, 'SELECT id, balance FROM accounts WHERE id >= $1 ORDER BY id', [20]),
  labelled: (client) => rows(client, 'SELECT name, ssn FROM customers WHERE id = $1', [1]),
  prepared: async (client) => {
    const seen: unknown[] = []
    for (const id of [1, 2, 1])
      seen.push(await rows(client, 'SELECT id, amount FROM transfers WHERE id = $1', [id], 'p'))
    return seen
  },
  transactions: async (client) => {
    const seen: unknown[] = []
    const texts = [
      'BEGIN',
      'SELECT 1/0',
      'SELECT 1',
      'ROLLBACK',
      'BEGIN',
      'SAVEPOINT s',
      "SELECT 'x'::int4",
      'ROLLBACK TO s',
    ]
    for (const text of [...texts, 'SELECT 2', 'COMMIT', 'SELECT 3']) seen.push(await failing(rows(client, text)))
    return seen
  },
  errors: async (client) => {
    const texts = ['SELECT 1/0', "SELECT 'x'::int4", 'SELECT * FRM t', 'SELECT nothing FROM accounts', 'TABLE nowhere']
    const seen: unknown[] = []
    for (const text of texts) seen.push(await failing(rows(client, text)))
    return seen
  },
  cancel: async (client) => {
    const ended = failing(rows(client, 'SELECT count(*) FROM generate_series(1, 1000000000000)'))
    // One that comes before the server has begun is lost.
    while ((await Promise.race([ended, sleep(200, RUNNING)])) === RUNNING) await cancel(client)
    return [await ended, await rows(client, 'SELECT 1')]
  },
  many: async (client) => {
    const text = 'SELECT id, balance FROM accounts WHERE customer_id = $1 ORDER BY id'
    return Promise.all([1, 2, 3, 4, 5].map((id) => rows(client, text, [id])))
  },
  write: async (client) => {
    await client.query('DROP TABLE IF EXISTS drivers_write')
    await client.query('CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)')
    const insert = 'INSERT INTO drivers_write (name, amount) VALUES ($1, $2), ($3, $4) RETURNING id'
    const ids = await rows(client, insert, ['a', '1.10', 'b', '2.20'])
    const twice = await failing(rows(client, 'INSERT INTO drivers_write (name) VALUES ($1)', ['a']))
    const changed = (await client.query('UPDATE drivers_write SET amount = amount + $1 WHERE name = $2', [1, 'a']))
      .rowCount
    const gone = (await client.query('DELETE FROM drivers_write WHERE name = $1', ['b'])).rowCount
    const left = await rows(client, 'SELECT name, amount FROM drivers_write')
    await client.query('DROP TABLE drivers_write')
    return [ids, twice, changed, gone, left]
  },
}

await report(steps, code, async (step) => {
  const client = new Client({ ssl: false })
  await client.connect()
  try {
    return await step(client)
  } finally {
    await client.end()
  }
})
