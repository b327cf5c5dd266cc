import { Client, DatabaseError } from 'pg'
import type { QueryConfig, QueryResult } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTap } from '../../support/byte-tap.ts'
import type { ByteTap } from '../../support/byte-tap.ts'
import { cancel } from '../../support/cancel-request.ts'
import { canariesIn } from '../../support/canaries.ts'
import { direct } from '../../support/direct.ts'
import { evidenceBytes } from '../../support/evidence-trace.ts'
import { startStack } from '../../support/stack.ts'
import type { Stack } from '../../support/stack.ts'

let stack: Stack
let tap: ByteTap
let client: Client
let straight: Client

beforeAll(async () => {
  stack = await startStack()
  tap = await openTap(stack.line.gateway)
  client = connection()
  const { host, port, database, user, password } = stack.line.upstream
  straight = new Client({ host, port, database, user, password })
  await Promise.all([client.connect(), straight.connect()])
})
afterAll(async () => {
  await Promise.all([client?.end(), straight?.end()])
  await tap?.close()
  await stack?.stop()
})

function connection(): Client {
  const { user, token } = stack.line.principals.agent
  return new Client({ host: tap.host, port: tap.port, database: 'bank', user, password: token })
}

/** `binary`: the driver asks for every column in binary format, an option that its types leave out. */
function ask(of: Client, text: string, binary: boolean, values: unknown[] = []): Promise<QueryResult> {
  const query: QueryConfig & { readonly binary: boolean } = { text, values, binary }
  return of.query(query)
}

async function failure(asked: Promise<unknown>): Promise<DatabaseError> {
  try {
    await asked
  } catch (error) {
    if (error instanceof DatabaseError) return error
    throw error
  }
  throw new Error('it went through')
}

const TYPES = `SELECT 1::int2 AS a, -2::int4 AS b, 9223372036854775807::int8 AS c, 12.340::numeric AS d, 1.5::float4 AS e,
  'NaN'::float8 AS f, 'x'::text AS g, 'žlutý 🐎'::varchar AS h, true AS i, NULL::int4 AS j, ARRAY[1, NULL, 3] AS k,
  ARRAY['a', 'b,"c'] AS l, '{"a": [1, null]}'::json AS m, '{"b": {"c": 2}}'::jsonb AS n, '\\x00ff'::bytea AS o,
  '2026-01-02'::date AS p, '2026-01-02 03:04:05.678+02'::timestamptz AS q, '3 days 04:05'::interval AS r,
  '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid AS s, ''::text AS t`

describe('node-postgres', () => {
  test.each([
    TYPES,
    'SELECT * FROM transfers ORDER BY id',
    'SELECT id, customer_id, balance FROM accounts ORDER BY id',
    'SELECT * FROM customer_safe ORDER BY id',
    'WITH big AS (SELECT * FROM transfers WHERE amount > 20) SELECT status, count(*) FROM big GROUP BY status ORDER BY 1',
    'SELECT id, row_number() OVER (ORDER BY amount DESC) FROM transfers ORDER BY 1',
  ])('the same rows and fields as directly, in text and in binary: %s', async (text) => {
    for (const binary of [false, true]) {
      const [through, real] = await Promise.all([ask(client, text, binary), ask(straight, text, binary)])
      expect(through.rows).toEqual(real.rows)
      expect(through.fields).toEqual(real.fields)
    }
  })

  test('parameters of many types, as directly', async () => {
    const text =
      'SELECT $1::int4 AS a, $2::text AS b, $3::numeric AS c, $4::jsonb AS d, $5::timestamptz AS e, $6::int4[] AS f, $7::bool AS g'
    const values = [42, "O'Hara; --", '1.10', { a: 1 }, new Date('2026-01-02T03:04:05Z'), [1, 2], null]
    expect((await client.query(text, values)).rows).toEqual((await straight.query(text, values)).rows)
  })

  test('labelled columns are masked, in text and in binary', async () => {
    const text = 'SELECT ssn, email, phone FROM customers WHERE id = $1'
    const masked = [{ ssn: '*******2222', email: 'b***@***', phone: '********0002' }]
    expect((await client.query({ text, values: [2] })).rows).toEqual(masked)
    expect((await ask(client, text, true, [2])).rows).toEqual(masked)
  })

  test('a named statement, prepared once and executed often', async () => {
    const statement = { name: 'by-id', text: 'SELECT name, ssn FROM customers WHERE id = $1' }
    for (const [id, name, digit] of [
      [1, 'Alice Archer', '1'],
      [3, 'Carla Cruz', '3'],
      [1, 'Alice Archer', '1'],
    ] as const) {
      const { rows } = await client.query({ ...statement, values: [id] })
      expect(rows).toEqual([{ name, ssn: `*******${digit.repeat(4)}` }])
    }
  })

  test('transactions: commit, roll back, savepoints', async () => {
    const states: string[] = []
    for (const sql of [
      'BEGIN',
      'SELECT 1',
      'SAVEPOINT a',
      'SELECT 1/0',
      'ROLLBACK TO SAVEPOINT a',
      'SELECT 2',
      'COMMIT',
    ]) {
      states.push(
        await client.query(sql).then(
          ({ command }) => command,
          (error: DatabaseError) => error.code ?? '',
        ),
      )
    }
    expect(states).toEqual(['BEGIN', 'SELECT', 'SAVEPOINT', '22012', 'ROLLBACK', 'SELECT', 'COMMIT'])
  })

  test.each([
    ['SELECT 1/0', []],
    ["SELECT 'x'::int4", []],
    ['SELECT $1::int4', ['x']],
    ['SELECT * FRM customers', []],
    ['SELECT name FROM customers WHERE', []],
    ["SELECT '2026-02-30'::date", []],
    ['SELECT 2147483647 + id FROM customers', []],
    ['ROLLBACK TO SAVEPOINT nowhere', []],
    ['SELECT * FROM nowhere', []],
    ['SELECT nothing FROM customers', []],
    ['SELECT id FROM customers, accounts', []],
    ['SELECT c.name FROM customers', []],
    ['SELECT nosuch(1)', []],
    ['SELECT 1::nosuch', []],
  ])('an error has the SQLSTATE that it has directly: %s', async (text, values) => {
    const [through, real] = await Promise.all([
      failure(client.query(text, [...values])),
      failure(straight.query(text, [...values])),
    ])
    expect([text, through.code]).toEqual([text, real.code])
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('a value never stands in the text of an error about a labelled table', async () => {
    const error = await failure(client.query('SELECT name FROM customers WHERE id = $1', ['900-00-0000']))
    expect([error.code, error.message]).toEqual(['22P02', expect.not.stringContaining('900-00-0000')])
  })

  test('a denial names rule and decision, and the session goes on', async () => {
    const error = await failure(client.query('UPDATE accounts SET balance = 0 WHERE id = $1', [10]))
    expect(error).toMatchObject({
      severity: 'ERROR',
      code: '42501',
      message: expect.stringMatching(/^refused by policy: /),
      hint: expect.stringMatching(/^Decision [0-9a-f-]{36}, rule reject-writes\.$/),
    })
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect(await direct(stack, 'SELECT balance FROM accounts WHERE id = 10')).toEqual([['1000.10']])
  })

  test('a condition on a labelled column asks nothing of the server', async () => {
    const error = await failure(client.query('SELECT id FROM customers WHERE ssn = $1', ['900-00-0000']))
    expect(error.hint).toContain('predicate-on-labelled')
  })

  test('a value as large as policy may see, and one that is larger, leave the session as it was', async () => {
    const large = 'x'.repeat(200_000)
    expect((await client.query('SELECT length($1::text) AS length', [large])).rows).toEqual([{ length: 200_000 }])
    const { message } = await failure(client.query('SELECT length($1::text)', ['x'.repeat(300_000)]))
    expect(message).toMatch(/the request takes more than 262144 bytes/)
    const { rows } = await straight.query(`SELECT string_agg(oid::regclass::text, ', ') AS names,
      string_agg(format('count(%I)', relname), ', ') AS counts FROM pg_class WHERE oid < 16384 AND relkind IN ('r', 'v')`)
    const wide = await failure(client.query(`SELECT ${rows[0]?.counts} FROM ${rows[0]?.names}`))
    expect(wide.message).toMatch(/^the statement names more than one record can hold/)
    expect((await client.query('SELECT 7 AS seven')).rows).toEqual([{ seven: 7 }])
  })

  test('the process id is the one that the server knows the session by', async () => {
    const { rows } = await straight.query(`SELECT pid FROM pg_stat_activity WHERE pid = $1`, [
      Reflect.get(client, 'processID'),
    ])
    expect(rows).toHaveLength(1)
  })

  test('cancel ends the statement and leaves the session', async () => {
    const other = connection()
    await other.connect()
    const slow = failure(other.query('SELECT count(*) FROM generate_series(1, 1000000000000)'))
    await expect.poll(() => running('generate_series'), { timeout: 10_000 }).toBe('1')
    await cancel(other)
    expect((await slow).code).toBe('57014')
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await other.end()
  })

  test('a cancel with a wrong key ends nothing', async () => {
    const other = connection()
    await other.connect()
    const answer = other.query('SELECT count(*)::int AS n FROM generate_series(1, 3000000)')
    await cancel(other, 1)
    expect((await answer).rows).toEqual([{ n: 3_000_000 }])
    await other.end()
  })

  test('no canary came through, stands in the evidence, or in the log', () => {
    expect(tap.toClients().length).toBeGreaterThan(5000)
    expect(canariesIn(tap.toClients())).toEqual([])
    expect(canariesIn(evidenceBytes(stack.evidence))).toEqual([])
    expect(canariesIn(Buffer.from(stack.gateway.log))).toEqual([])
  })
})

async function running(text: string): Promise<unknown> {
  const sql = `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%${text}%'`
  return (await direct(stack, sql))[0]?.[0]
}
