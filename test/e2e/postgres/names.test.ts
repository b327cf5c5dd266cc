import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BackendMessage } from '../../../planes/postgres/codec/backend-messages.ts'
import type { FrontendMessage } from '../../../planes/postgres/codec/frontend-messages.ts'
import { canariesIn } from '../../support/canaries.ts'
import { openDirect } from '../../support/direct.ts'
import { type Stack, startStack } from '../../support/stack.ts'
import { brief, WireClient } from '../../support/wire-client.ts'

let stack: Stack
let open: Stack
let client: WireClient

beforeAll(async () => {
  ;[stack, open] = await Promise.all([startStack(), startStack({ policy: 'allow-all' })])
  client = await agent(stack)
})
afterAll(async () => {
  client?.destroy()
  await Promise.all([stack?.stop(), open?.stop()])
})

const agent = ({ line }: Stack): Promise<WireClient> =>
  WireClient.open(line.gateway, { token: line.principals.agent.token, database: 'bank' })

const sync: FrontendMessage = { kind: 'sync' }
const parse = (sql: string, name = ''): FrontendMessage => ({ kind: 'parse', name, sql, parameterTypes: [] })
const bind = (statement: string, portal = ''): FrontendMessage => ({
  kind: 'bind',
  portal,
  statement,
  formats: [],
  parameters: [],
  resultFormats: [],
})
const execute = (portal = '', maxRows = 0): FrontendMessage => ({ kind: 'execute', portal, maxRows })

async function ask(...messages: readonly FrontendMessage[]): Promise<BackendMessage[]> {
  client.send(...messages)
  return client.until('readyForQuery')
}

/** SQLSTATEs and first columns, which is all that these tests look at. */
function told(messages: readonly BackendMessage[]): readonly string[] {
  return messages.flatMap((message) => {
    if (message.kind === 'errorResponse') return [message.fields.get('C') ?? '']
    return message.kind === 'dataRow' ? [String(message.values[0])] : []
  })
}

async function errorOf(...messages: readonly FrontendMessage[]): Promise<readonly (string | undefined)[]> {
  return (await ask(...messages)).flatMap((message) =>
    message.kind === 'errorResponse' ? [message.fields.get('C'), message.fields.get('M')] : [],
  )
}

const query = async (sql: string): Promise<readonly string[]> => told(await client.query(sql))
const LAST4 = '*******1111'

describe('a name stands for what it was given to, masks and all', () => {
  test('PREPARE and EXECUTE, within one text and across two', async () => {
    expect(await query('PREPARE s AS SELECT ssn FROM customers WHERE id = $1; EXECUTE s(1)')).toEqual([LAST4])
    expect(await query('EXECUTE s(1)')).toEqual([LAST4])
    expect(await query('DEALLOCATE s; EXECUTE s(1)')).toEqual(['26000'])
  })

  test('a wire Bind of what SQL prepared, an SQL EXECUTE of what the wire parsed', async () => {
    await query('PREPARE shared AS SELECT ssn FROM customers WHERE id = 1')
    expect(told(await ask(bind('shared'), execute(), sync))).toEqual([LAST4])
    await ask(parse('SELECT ssn FROM customers WHERE id = 1', 'wire'), sync)
    expect(await query('EXECUTE wire')).toEqual([LAST4])
    await query('DEALLOCATE ALL')
    expect(told(await ask(bind('shared'), execute(), sync))).toEqual(['26000'])
  })

  test('an unmasked predicate, an opaque function or a write is as forbidden behind a name', async () => {
    expect(await query(`PREPARE p AS SELECT id FROM customers WHERE ssn = $1`)).toEqual(['42501'])
    expect(await query('PREPARE p AS SELECT bank.get_ssn(1)')).toEqual(['42501'])
    expect(await query('PREPARE p AS DELETE FROM transfers; EXECUTE p')).toEqual(['42501'])
    expect(await query('DECLARE c CURSOR WITH HOLD FOR SELECT md5(ssn) FROM customers')).toEqual(['42501'])
  })

  test('a PREPARE outlives its transaction, a cursor does not', async () => {
    await query('BEGIN; PREPARE stays AS SELECT ssn FROM customers WHERE id = 1')
    expect(await query('DECLARE goes CURSOR FOR SELECT ssn FROM customers ORDER BY id; FETCH goes')).toEqual([LAST4])
    await query('ROLLBACK')
    expect(await query('EXECUTE stays')).toEqual([LAST4])
    expect(await query('FETCH goes')).toEqual(['34000'])
    await query('DEALLOCATE stays')
  })

  test('a cursor WITH HOLD outlives a commit, but not the rollback of its own transaction', async () => {
    await query('BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT ssn FROM customers ORDER BY id; COMMIT')
    expect(await query('FETCH FROM held')).toEqual([LAST4])
    expect(await query('CLOSE held; FETCH held')).toEqual(['34000'])
    await query('BEGIN; DECLARE undone CURSOR WITH HOLD FOR SELECT ssn FROM customers; ROLLBACK')
    expect(await query('FETCH undone')).toEqual(['34000'])
  })

  test('a savepoint takes the cursors behind it along', async () => {
    await query('BEGIN; SAVEPOINT a; DECLARE inner_one CURSOR FOR SELECT ssn FROM customers; ROLLBACK TO a')
    expect(await query('FETCH inner_one')).toEqual(['34000'])
    await query('ROLLBACK')
  })

  test('a binary cursor by simple query, and by the wire’s own Execute', async () => {
    await query('BEGIN; DECLARE b BINARY CURSOR FOR SELECT ssn, dob FROM customers ORDER BY id')
    expect(await query('FETCH b')).toEqual([LAST4])
    const [row] = (await ask(execute('b', 1), sync)).filter((message) => message.kind === 'dataRow')
    expect(String(row?.values[1])).toMatch(/^\d{4}-01-01$/)
    await query('ROLLBACK')
  })

  test('SQL fetches from a portal of the wire, and the wire closes a cursor of SQL', async () => {
    await query('BEGIN')
    await ask(parse('SELECT ssn FROM customers ORDER BY id'), bind('', 'portal'), execute('portal', 1), sync)
    expect(await query('FETCH 1 FROM portal')).toEqual(['*******2222'])
    expect(await query('MOVE ALL IN portal')).toEqual([])
    await query('DECLARE mine CURSOR FOR SELECT id FROM customers')
    await ask({ kind: 'close', target: 'portal', name: 'mine' }, sync)
    expect(await query('FETCH mine')).toEqual(['34000'])
    await query('ROLLBACK')
  })

  test('a name that the server has still to confirm is not taken for confirmed', async () => {
    await query('PREPARE twice AS SELECT ssn FROM customers WHERE id = 1')
    // The server refuses the second (it exists); what runs is the first, and so that one's mask must hold.
    client.send({ kind: 'query', sql: 'PREPARE twice AS SELECT name FROM customers WHERE id = 1' })
    client.send({ kind: 'query', sql: 'EXECUTE twice' })
    expect(told(await client.until('readyForQuery'))).toEqual(['42P05'])
    expect(told(await client.until('readyForQuery'))).toEqual([LAST4])
    expect(await query('DISCARD ALL')).toEqual(['42501'])
    await query('DEALLOCATE ALL')
  })

  test('what fails while a cursor over a labelled table is read says its code alone, whoever reads it', async () => {
    const broken = 'SELECT ssn, 1/(id - 1) FROM customers ORDER BY id'
    const withheld = ['22012', expect.not.stringContaining('zero')]
    for (const read of [
      { kind: 'query', sql: 'FETCH ALL FROM bad' },
      { kind: 'query', sql: 'MOVE ALL IN bad' },
    ] as const) {
      await query(`BEGIN; DECLARE bad CURSOR FOR ${broken}`)
      expect(await errorOf(read)).toEqual(withheld)
      await query('ROLLBACK')
    }
    await query(`BEGIN; DECLARE bad CURSOR FOR ${broken}`)
    expect(await errorOf(execute('bad'), sync)).toEqual(withheld)
    await query(`ROLLBACK; BEGIN; DECLARE late CURSOR WITH HOLD FOR ${broken}`)
    expect(await errorOf({ kind: 'query', sql: 'COMMIT' })).toEqual(withheld)
  })

  test('an argument counts as what is bound: a transfer waits with its amount', async () => {
    await query('PREPARE pay(numeric) AS INSERT INTO transfers(from_account, to_account, amount) VALUES (10, 20, $1)')
    expect(await query('EXECUTE pay(random())')).toEqual(['42501'])
    client.send({ kind: 'query', sql: 'EXECUTE pay(1000000)' })
    const notice = (await client.until('noticeResponse')).at(-1)
    expect(notice?.kind === 'noticeResponse' && notice.fields.get('M')).toMatch(/a transfer waits for 2 yes/)
    client.destroy()
    client = await agent(stack)
  })

  test('no canary came', () => {
    expect(canariesIn(Buffer.concat(client.bytes))).toEqual([])
  })
})

/** One statement a line; each script leaves the server as it was. */
const SCRIPTS: readonly string[] = [
  `DO $$ BEGIN PERFORM 1; END $$
   SELECT bank.get_ssn(1)
   CALL bank.nobody()
   SELECT nosuch FROM customers
   SELECT 1 FROM nobody`,
  `CREATE TEMP TABLE t (id serial, n numeric)
   INSERT INTO t(n) VALUES (1), (2) RETURNING *
   SELECT * FROM t
   CREATE INDEX ON t (n)
   COPY t TO STDOUT
   DROP TABLE t`,
  `BEGIN
   CREATE TEMP TABLE own (a text, b serial) ON COMMIT DROP
   INSERT INTO own(a) SELECT name FROM customers ORDER BY id RETURNING a, b
   SAVEPOINT s
   ALTER TABLE own RENAME TO customers
   SELECT a FROM customers ORDER BY b LIMIT 1
   ROLLBACK TO s
   SELECT name FROM customers ORDER BY id LIMIT 1
   COMMIT
   SELECT a FROM own`,
  `CREATE TEMP VIEW accounts AS SELECT id AS customer_id FROM customers
   SELECT customer_id FROM accounts ORDER BY 1 LIMIT 2
   DROP VIEW accounts
   SELECT id FROM accounts ORDER BY 1 LIMIT 1`,
  `SELECT set_config('search_path', 'private', false)
   SELECT ssn FROM customers
   BEGIN
   SET LOCAL search_path = public
   SELECT count(*) FROM customers
   COMMIT
   SELECT ssn FROM customers
   RESET search_path`,
  `BEGIN
   CREATE TABLE fresh AS SELECT 1 AS a
   SELECT * FROM fresh
   ALTER TABLE fresh ADD b text DEFAULT 'x'
   SELECT b FROM fresh
   ROLLBACK`,
  `CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'
   SELECT f(1), pg_sleep(0)
   DROP FUNCTION f(int)`,
  `CREATE DOMAIN d AS int CHECK (VALUE > 0)
   SELECT '5'::d
   SELECT '0'::d
   DROP DOMAIN d`,
  `SET search_path = bank
   SHOW search_path
   SELECT get_ssn(2)
   RESET search_path`,
  `SET ROLE pg_read_all_data
   SELECT current_user
   RESET ROLE`,
  `SELECT set_config('statement_timeout', '5s', false), current_setting('statement_timeout')
   RESET statement_timeout
   SELECT lo_create(0) > 0
   SELECT nextval('transfers_id_seq') > 0
   SELECT regoper('||/'), int4(5.2), booleq(true, false)`,
  `SELECT x.* FROM xmltable('/r/a' PASSING '<r><a>1</a></r>' COLUMNS v int PATH '.') x
   WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SEARCH DEPTH FIRST BY n SET o SELECT * FROM r`,
  `BEGIN
   MERGE INTO transfers t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET status = 'x' RETURNING merge_action(), *
   DECLARE c SCROLL CURSOR FOR SELECT id FROM accounts ORDER BY id FOR UPDATE
   FETCH 2 FROM c
   UPDATE accounts SET balance = balance WHERE CURRENT OF c
   CLOSE c
   ROLLBACK`,
  `SELECT 1 AS a INTO TEMP into_t
   EXPLAIN (COSTS off) SELECT * FROM into_t
   TABLE into_t
   DROP TABLE into_t`,
  `CREATE ROLE nobody_here
   COMMENT ON ROLE nobody_here IS 'x'
   ALTER ROLE nobody_here SET work_mem = '4MB'
   DROP ROLE nobody_here`,
  `CREATE SCHEMA s CREATE TABLE a (id int)
   REINDEX SCHEMA s
   VACUUM s.a
   ANALYZE s.a
   CHECKPOINT
   DROP SCHEMA s CASCADE`,
  `SET standard_conforming_strings = on
   PREPARE TRANSACTION 'x'
   LISTEN here
   NOTIFY here, 'told'
   UNLISTEN *`,
]

async function answers(to: WireClient, script: string): Promise<readonly string[]> {
  const said: string[] = []
  for (const sql of script.split('\n')) said.push(...(await to.query(sql)).map(brief))
  to.end()
  return said
}

describe('with allow-all, what can be parsed is answered as by the server', () => {
  test.each(SCRIPTS)('%s', async (script) => {
    const theirs = await answers(await openDirect(open), script)
    expect(await answers(await agent(open), script)).toEqual(theirs)
    expect(theirs.length).toBeGreaterThan(4)
  })
})
