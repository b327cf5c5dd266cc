/** What postgres.js sees, step by step (../steps.ts), over the connection that PG* variables give. */
import { setTimeout as sleep } from 'node:timers/promises'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import postgres from 'postgres'
import type { Sql } from 'postgres'
import { report, TYPES } from './report.ts'

const RUNNING = Symbol('it runs')

const code = (error: unknown): string =>
  error instanceof postgres.PostgresError ? error.code : error instanceof Error ? error.message : String(error)

async function failing(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    return code(error)
  }
}

const steps: Readonly<Record<string, (sql: Sql) => Promise<unknown>>> = {
  types: (sql) => sql.unsafe(TYPES).values(),
  read: (sql) => sql`SELECT id, balance FROM accounts WHERE id >= ${20} ORDER BY id`.values(),
  labelled: (sql) => sql`SELECT name, ssn FROM customers WHERE id = ${1}`.values(),
  prepared: async (sql) => {
    const seen: unknown[] = []
    for (const id of [1, 2, 1]) seen.push(await sql`SELECT id, amount FROM transfers WHERE id = ${id}`.values())
    return seen
  },
  transactions: async (sql) => {
    const seen: unknown[] = []
    seen.push(await failing(sql.begin(async (inside) => [await inside`SELECT 1/0`, await inside`SELECT 1`])))
    await sql.begin(async (inside) => {
      seen.push(await failing(inside.savepoint((saved) => saved`SELECT 'x'::int4`)))
      seen.push(await inside`SELECT 2`.values())
    })
    return [...seen, await sql`SELECT 3`.values()]
  },
  errors: async (sql) => {
    const texts = ['SELECT 1/0', "SELECT 'x'::int4", 'SELECT * FRM t', 'SELECT nothing FROM accounts', 'TABLE nowhere']
    const seen: unknown[] = []
    for (const text of texts) seen.push(await failing(sql.unsafe(text)))
    return seen
  },
  cancel: async (sql) => {
    await sql`SELECT 1` // a query that is cancelled before it has a connection takes that connection with it
    const query = sql`SELECT count(*) FROM generate_series(1, 1000000000000)`
    const ended = failing(query)
    // One that comes before the server has begun is lost, and the driver cancels a query only once: it is made to again.
    const canceller: unknown = Reflect.get(query, 'canceller')
    while ((await Promise.race([ended, sleep(200, RUNNING)])) === RUNNING) {
      Reflect.set(query, 'canceller', canceller)
      query.cancel()
    }
    return [await ended, await sql`SELECT 1`.values()]
  },
  many: async (sql) => {
    const ids = [1, 2, 3, 4, 5]
    return Promise.all(
      ids.map((id) => sql`SELECT id, balance FROM accounts WHERE customer_id = ${id} ORDER BY id`.values()),
    )
  },
  cursor: async (sql) => {
    const sizes: number[] = []
    for await (const rows of sql`SELECT generate_series(1, 25)`.cursor(10)) sizes.push(rows.length)
    return sizes
  },
  write: async (sql) => {
    await sql`DROP TABLE IF EXISTS drivers_write`
    await sql`CREATE TABLE drivers_write (id serial PRIMARY KEY, name text UNIQUE, amount numeric)`
    const rows = [
      { name: 'a', amount: '1.10' },
      { name: 'b', amount: '2.20' },
    ]
    const ids = await sql`INSERT INTO drivers_write ${sql(rows)} RETURNING id`.values()
    const twice = await failing(sql`INSERT INTO drivers_write (name) VALUES (${'a'})`)
    const changed = (await sql`UPDATE drivers_write SET amount = amount + ${1} WHERE name = ${'a'}`).count
    const gone = (await sql`DELETE FROM drivers_write WHERE name = ${'b'}`).count
    const left = await sql`SELECT name, amount FROM drivers_write`.values()
    await sql`DROP TABLE drivers_write`
    return [ids, twice, changed, gone, left]
  },
  copy_out: async (sql) => {
    const readable = await sql`COPY (SELECT id, amount FROM transfers ORDER BY id) TO STDOUT`.readable()
    let text = ''
    readable.on('data', (bytes: Buffer) => (text += bytes.toString()))
    await once(readable, 'end')
    return text
  },
  copy_in: async (sql) => {
    await sql`DROP TABLE IF EXISTS drivers_copy`
    await sql`CREATE TABLE drivers_copy (a int, b text)`
    const writable = await sql`COPY drivers_copy FROM STDIN`.writable()
    await pipeline(Readable.from(['1\tx\n2\t', 'y\n', '3\t\\N\n']), writable)
    const rows = await sql`SELECT * FROM drivers_copy ORDER BY a`.values()
    await sql`DROP TABLE drivers_copy`
    return rows
  },
}

await report(steps, code, async (step) => {
  const sql = postgres({ max: 1, onnotice: () => undefined, ssl: false, idle_timeout: 5, connect_timeout: 20 })
  try {
    return await step(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
})
