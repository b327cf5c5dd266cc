import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NormalizeError } from '../../../../engine/index.ts'
import { type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { normalizeAll, refusalOf } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

type Case = readonly [sql: string, code: string, message: RegExp, position?: number]

function titled(cases: readonly Case[]): (readonly [title: string, each: Case])[] {
  return cases.map((each) => [each[0], each])
}

function refused([sql]: Case): Promise<NormalizeError> {
  return refusalOf(parser, catalog, sql)
}

async function shadowed(sql: string, changed: Parameters<typeof bankCatalog>[0]): Promise<NormalizeError> {
  return refusalOf(parser, await bankCatalog(changed), sql)
}

function wanted([, code, message, position]: Case): object {
  const found = { code: `ERR_NORMALIZE_${code}`, message: expect.stringMatching(message) }
  return position === undefined ? found : { ...found, position }
}

describe('code that the analysis cannot see into', () => {
  const cases: readonly Case[] = [
    ['SELECT bank.get_ssn(1)', 'OPAQUE', /^function bank\.get_ssn is not on the list/, 8],
    [`SELECT "pg_read_file"('PG_VERSION')`, 'OPAQUE', /^function pg_catalog\.pg_read_file is not on the list/, 8],
    ['SELECT * FROM bank.dump_customers()', 'OPAQUE', /bank\.dump_customers/, 15],
    ['SELECT id FROM customers ORDER BY bank.get_ssn(id)', 'OPAQUE', /bank\.get_ssn/, 35],
    ['SELECT count(*) FILTER (WHERE bank.eq_leak(ssn, name)) FROM customers', 'OPAQUE', /bank\.eq_leak/],
    ['SELECT id FROM customers LIMIT bank.close_account(10)', 'OPAQUE', /bank\.close_account/],
    ['SELECT rank() OVER (ORDER BY bank.get_ssn(id)) FROM customers', 'OPAQUE', /bank\.get_ssn/],
    ['SELECT id FROM customers GROUP BY id, bank.get_ssn(id)', 'OPAQUE', /bank\.get_ssn/],
    ['SELECT DISTINCT ON (bank.get_ssn(id)) id FROM customers', 'OPAQUE', /bank\.get_ssn/],
    ['VALUES (1), (bank.close_account(10))', 'OPAQUE', /bank\.close_account/],
    ['SELECT CASE WHEN true THEN bank.close_account(10) END', 'OPAQUE', /bank\.close_account/],
    ['SELECT ARRAY[bank.close_account(10)]', 'OPAQUE', /bank\.close_account/],
    ['SELECT (ARRAY[1,2])[bank.close_account(10)]', 'OPAQUE', /bank\.close_account/],
    ['SELECT coalesce(bank.close_account(10), 1)', 'OPAQUE', /bank\.close_account/],
    ['SELECT xmlforest(bank.get_ssn(1) AS s)', 'OPAQUE', /bank\.get_ssn/],
    [`SELECT JSON_OBJECT('a': bank.get_ssn(1))`, 'OPAQUE', /bank\.get_ssn/],
    ['UPDATE transfers SET amount = bank.close_account(10)', 'OPAQUE', /bank\.close_account/],
    ['DELETE FROM transfers WHERE id = bank.close_account(10)', 'OPAQUE', /bank\.close_account/],
    ['INSERT INTO transfers(id) VALUES (1) ON CONFLICT (abs(bank.close_account(1))) DO NOTHING', 'OPAQUE', /bank\./],
    ['INSERT INTO audit_log(event) VALUES (1) RETURNING bank.get_ssn(1)', 'OPAQUE', /bank\.get_ssn/],
    ['WITH unused AS (SELECT bank.close_account(10)) SELECT 1', 'OPAQUE', /bank\.close_account/],
    ['SELECT 1 FROM customers TABLESAMPLE system (bank.close_account(10))', 'OPAQUE', /bank\.close_account/],
    ['EXPLAIN SELECT bank.get_ssn(1)', 'OPAQUE', /bank\.get_ssn/],
    [`SELECT id FROM customers WHERE ssn OPERATOR(bank.===) 'x'`, 'OPAQUE', /^operator === may run a user's function/],
    ['SELECT id FROM customers ORDER BY ssn USING OPERATOR(bank.===)', 'OPAQUE', /^operator ===/],
    [`SELECT id FROM customers WHERE ssn OPERATOR(bank.===) ANY (ARRAY['x'])`, 'OPAQUE', /^operator ===/],
    [`SELECT query_to_xml('SELECT ssn FROM customers', true, true, '')`, 'OPAQUE', /query_to_xml/],
    [`SELECT ts_rewrite('a'::tsquery, 'SELECT ssn, ssn FROM customers')`, 'OPAQUE', /ts_rewrite/],
    [`SELECT current_setting('is_superuser')`, 'OPAQUE', /current_setting/],
    [`SELECT nextval('transfers_id_seq')`, 'OPAQUE', /nextval/],
    ['SELECT pg_advisory_lock(1)', 'OPAQUE', /pg_advisory_lock/],
    ['SELECT lo_import($1)', 'OPAQUE', /lo_import/],
    [`SELECT pg_input_is_valid('x', 'some_domain')`, 'OPAQUE', /pg_input_is_valid/],
  ]
  test.each(titled(cases))('%s', async (_, each) => {
    expect(await refused(each)).toMatchObject(wanted(each))
  })
})

describe('a field of a value is a function call to the server, where the value has no such field', () => {
  const cases: readonly Case[] = [
    [
      `SELECT ('PG_VERSION').pg_read_file`,
      'UNSUPPORTED',
      /^field "pg_read_file" of a value whose fields are not known$/,
    ],
    [`SELECT ('x'::text).upper`, 'UNSUPPORTED', /^field "upper"/],
    ['SELECT (c.name).upper FROM customers c', 'UNSUPPORTED', /^field "upper"/],
    ['SELECT (c).upper FROM customers c', 'UNRESOLVED', /^field "upper" does not exist/],
    ['SELECT c.to_json FROM customers c', 'UNRESOLVED', /^column c\.to_json does not exist$/],
    ['SELECT (array_agg(c))[1].ssn FROM customers c', 'UNSUPPORTED', /^field "ssn"/],
    ['SELECT (to_jsonb(c)).ssn FROM customers c', 'UNSUPPORTED', /^field "ssn"/],
  ]
  test.each(titled(cases))('%s', async (_, each) => {
    expect(await refused(each)).toMatchObject(wanted(each))
  })
})

describe('names that the catalogue does not have, or has twice', () => {
  const cases: readonly Case[] = [
    ['SELECT 1 FROM nobody', 'UNRESOLVED', /^relation "nobody" does not exist$/, 15],
    ['SELECT 1 FROM bank.customers', 'UNRESOLVED', /^relation "bank\.customers" does not exist$/, 15],
    ['SELECT 1 FROM "Customers"', 'UNRESOLVED', /^relation "Customers" does not exist$/],
    ['SELECT nothing FROM customers', 'UNRESOLVED', /^column "nothing" does not exist$/, 8],
    [`SELECT 'é', nothing FROM customers`, 'UNRESOLVED', /^column "nothing"/, 13],
    ['SELECT 1; SELECT nothing FROM customers', 'UNRESOLVED', /^column "nothing"/, 18],
    ['SELECT id FROM customers, accounts', 'UNRESOLVED', /^column reference "id" is ambiguous$/, 8],
    ['SELECT customers.ssn FROM customers c', 'UNRESOLVED', /missing FROM-clause entry for table "customers"/],
    ['SELECT c.ssn FROM customers c, accounts c', 'UNRESOLVED', /table reference "c" is ambiguous/],
    ['SELECT ssn FROM (SELECT ssn, phone AS ssn FROM customers) q', 'UNRESOLVED', /"ssn" is ambiguous/],
    ['SELECT 1 FROM accounts a JOIN customers c USING (ssn)', 'UNRESOLVED', /"ssn" specified in USING does not exist/],
    ['SELECT ssn FROM (SELECT id FROM customers) q', 'UNRESOLVED', /^column "ssn" does not exist$/],
    ['SELECT (SELECT ssn FROM accounts)', 'UNRESOLVED', /^column "ssn" does not exist$/],
    ['SELECT 1 FROM accounts, (SELECT balance) q', 'UNRESOLVED', /^column "balance" does not exist$/],
    ['SELECT 1 FROM customers c JOIN accounts a ON x.id = 1, transfers x', 'UNRESOLVED', /table "x"/],
    ['WITH a AS (SELECT 1 FROM b), b AS (SELECT 1) SELECT 1', 'UNRESOLVED', /^relation "b" does not exist$/],
    ['SELECT 1 UNION SELECT 1, 2', 'UNRESOLVED', /same number of columns/],
    ['SELECT 1 ORDER BY 2', 'UNRESOLVED', /no result column at that position/],
    ['SELECT nosuch(1)', 'UNRESOLVED', /^function nosuch does not exist$/, 8],
    ['SELECT 1 <=> 2', 'UNRESOLVED', /^operator <=> does not exist$/, 10],
    ['SELECT 1::nosuch', 'UNRESOLVED', /^type "nosuch" does not exist$/, 11],
    ['INSERT INTO transfers(nosuch) VALUES (1)', 'UNRESOLVED', /^column "nosuch" of public\.transfers does not exist$/],
    ['UPDATE transfers SET nosuch = 1', 'UNRESOLVED', /^column "nosuch" of public\.transfers/],
    ['SELECT $0', 'UNRESOLVED', /no parameter \$0/],
    ['SELECT $65536', 'UNRESOLVED', /no parameter \$65536/],
  ]
  test.each(titled(cases))('%s', async (_, each) => {
    expect(await refused(each)).toMatchObject(wanted(each))
  })
})

describe('forms that are not covered', () => {
  const cases: readonly Case[] = [
    ['SELECT 1 UNION SELECT ssn INTO leak FROM customers', 'UNSUPPORTED', /intoClause/],
    ['SELECT * FROM pg_temp.customers', 'UNSUPPORTED', /^temporary objects/, 15],
    ['SELECT * FROM pg_temp_3.customers', 'UNSUPPORTED', /^temporary objects/],
    ['SELECT * FROM pg_toast.pg_toast_16387', 'UNSUPPORTED', /^TOAST storage/],
    ['SELECT * FROM other.public.customers', 'UNSUPPORTED', /^a reference to another database/],
    [`COPY customers TO '/tmp/leak'`, 'UNSUPPORTED', /^COPY with a file or a program/],
    [`COPY customers FROM PROGRAM 'id'`, 'UNSUPPORTED', /^COPY with a file or a program/],
    ['DO $$ BEGIN END $$', 'OPAQUE', /^what do does can't be seen/],
    ['CALL bank.purge()', 'OPAQUE', /^what procedure bank\.purge does|^function bank\.purge/],
    [`LOAD '/tmp/evil'`, 'OPAQUE', /^what library does/],
    ['CREATE INDEX ON customers (bank.get_ssn(id))', 'OPAQUE', /^function bank\.get_ssn/],
    ['FETCH 1 FROM c', 'UNRESOLVED', /^cursor "c" does not exist$/],
    ['EXECUTE p', 'UNRESOLVED', /^prepared statement "p" does not exist$/],
    ['WITH RECURSIVE r AS (SELECT * FROM r) SELECT * FROM r', 'UNSUPPORTED', /^this form of recursion in "r"/],
    ['INSERT INTO customer_mv VALUES (1)', 'UNSUPPORTED', /^public\.customer_mv can't be written$/],
    [
      'SELECT * FROM jsonb_populate_record(NULL::customers, $1)',
      'OPAQUE',
      /the columns of jsonb_populate_record are not known/,
    ],
    ['SELECT (jsonb_populate_record(NULL::customers, $1)).*', 'UNSUPPORTED', /^\.\* of a row whose fields/],
  ]
  test.each(titled(cases))('%s', async (_, each) => {
    expect(await refused(each)).toMatchObject(wanted(each))
  })
})

describe('settings that names and rights depend on', () => {
  test.each([
    'SET ROLE postgres',
    'SET LOCAL ROLE postgres',
    'RESET ROLE',
    'SET SESSION AUTHORIZATION DEFAULT',
    'SET standard_conforming_strings = off',
    `SET NAMES 'GBK'`,
    `SET client_encoding = 'LATIN1'`,
    'SET row_security = off',
    `SET session_preload_libraries = 'x'`,
    `SELECT set_config('role', 'postgres', false)`,
    `SELECT pg_catalog.set_config('ROW_SECURITY', 'off', true)`,
    `SELECT set_config('session_authorization', $1, false)`,
  ])('%s', async (sql) => {
    const each: Case = [sql, 'UNSUPPORTED', /is fixed for the session and can't be (?:set|reset)$/]
    expect(await refused(each)).toMatchObject(wanted(each))
  })

  test.each([
    'SET search_path = pg_temp, public',
    'SET LOCAL "search_path" TO public, pg_temp_3',
    `SET SCHEMA 'pg_toast'`,
    `SELECT set_config('search_path', 'public, "pg_temp"', false)`,
    `SELECT set_config('search_path', 'public, ', false)`,
    `SELECT set_config('search_path', '"public', false)`,
    `SELECT set_config('search_path', 'públic', false)`,
    `SELECT set_config('search_path', $1, false)`,
  ])('%s can not be followed', async (sql) => {
    const each: Case = [sql, 'UNSUPPORTED', /^this search_path can’t be followed/]
    expect(await refused(each)).toMatchObject(wanted(each))
  })

  test.each([
    [`SET search_path = Private, "Odd One", ''`, 'private, "Odd One"'],
    ['SET SCHEMA $$private$$', 'private'],
    [`SELECT pg_catalog.set_config('SEARCH_PATH', '', false)`, ''],
    [`SELECT set_config('search_path', ' "$user" ,PUBLIC', true)`, '"$user", public'],
    ['RESET search_path', 'DEFAULT'],
  ])('%s is followed', async (sql, value) => {
    const [statement] = await normalizeAll(parser, catalog, sql)
    expect(statement).toMatchObject({ setting: { name: 'search_path', value }, effect: { kind: 'path' }, opaque: [] })
  })

  test('SET NAMES to what it is anyway is named', async () => {
    const [statement] = await normalizeAll(parser, catalog, `SET NAMES 'UTF8'`)
    expect(statement).toMatchObject({ kind: 'set', setting: { name: 'client_encoding', value: 'UTF8' } })
  })
})

describe('what a change of the catalogue brings with it', () => {
  test("a user's function beside a built-in one of its name", async () => {
    const functions = [['public', 'upper', 'f', null, 'scalar']]
    await expect(shadowed('SELECT upper(name) FROM customers', { functions })).resolves.toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: "function upper may be a user's: call the built-in one as pg_catalog.upper",
    })
    const named = await normalizeAll(
      parser,
      await bankCatalog({ functions }),
      'SELECT pg_catalog.upper(name) FROM customers',
    )
    expect(named[0]?.functions).toEqual(['pg_catalog.upper'])
  })

  test.each(['id = 1', 'id IN (1, 2)', 'id = ANY (SELECT 1)', 'nullif(id, 1) IS NULL', 'CASE id WHEN 1 THEN true END'])(
    "a user's operator beside a built-in one: %s",
    async (condition) => {
      const operators = [['public', '=', 'f']]
      await expect(shadowed(`SELECT id FROM customers WHERE ${condition}`, { operators })).resolves.toMatchObject({
        code: 'ERR_NORMALIZE_OPAQUE',
        message: "operator = may run a user's function: name the built-in one, as OPERATOR(pg_catalog.=)",
      })
    },
  )

  test.each(['BETWEEN 1 AND 2', 'NOT BETWEEN SYMMETRIC 1 AND 2'])("a user's operator behind %s", async (form) => {
    const operators = [['public', '<=', 'f']]
    const refusal = await shadowed(`SELECT id FROM customers WHERE id ${form}`, { operators })
    expect(refusal).toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: expect.stringMatching(/^operator <= may run/),
    })
  })

  test('USING compares by an operator as well', async () => {
    const sql = 'SELECT 1 FROM customers JOIN accounts USING (id)'
    const refusal = await shadowed(sql, { operators: [['public', '=', 'f']] })
    expect(refusal.code).toBe('ERR_NORMALIZE_OPAQUE')
  })

  test('a cast that runs a function, on a column that is read', async () => {
    const refusal = await shadowed('SELECT id FROM customers', { casts: [['25', '16999']] })
    expect(refusal).toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: "column public.customers.name has a type whose casts may run a user's function",
    })
  })

  test('a domain, whose checks may call anything', async () => {
    const types = [['17000', 'public', 'checked', 'd', '0', '25']]
    const refusal = await shadowed(`SELECT 'x'::checked`, { types })
    expect(refusal).toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: expect.stringMatching(/^a value cast to checked/),
    })
  })

  test('a rule makes another statement of the one that was sent', async () => {
    const rules = [[String(catalog.relation('public', 'transfers')?.oid)]]
    const refusal = await shadowed('INSERT INTO transfers(id) VALUES (1)', { rules })
    expect(refusal).toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: 'a rule rewrites statements on public.transfers',
    })
  })

  test('a view whose definition calls what is opaque says so without a position', async () => {
    const refusal = await shadowed('SELECT * FROM leaky', {
      relations: [['17001', 'public', 'leaky', 'v', '17003', 'f', ' SELECT bank.get_ssn(1) AS s;']],
      columns: [['17001', '1', 's', '25', null]],
    })
    expect(refusal).toMatchObject({
      code: 'ERR_NORMALIZE_OPAQUE',
      message: expect.stringMatching(/^the view public\.leaky: function bank\.get_ssn is not on the list/),
      position: undefined,
    })
  })

  test('a view that cannot be parsed spoils nothing else', async () => {
    const changed = {
      relations: [['17001', 'public', 'broken', 'v', '17003', 'f', ' SELECT FROM WHERE']],
      columns: [['17001', '1', 's', '25', null]],
    }
    const refusal = await shadowed('SELECT * FROM broken', changed)
    expect(refusal).toMatchObject({ code: 'ERR_NORMALIZE_OPAQUE', message: expect.stringMatching(/can’t be read$/) })
    await expect(normalizeAll(parser, await bankCatalog(changed), 'SELECT id FROM customers')).resolves.toHaveLength(1)
  })
})

test.each([
  `SELECT nothing FROM customers WHERE ssn = '900-11-1111'`,
  `SELECT bank.get_ssn(900111111)`,
  `SELECT '900-11-1111'::nosuch`,
  `COPY customers TO '/900-11-1111'`,
  `SET role = '900-11-1111'`,
])('a refusal holds no literal of the client: %s', async (sql) => {
  const { message } = await refusalOf(parser, catalog, sql)
  expect(message).not.toMatch(/900/)
})
