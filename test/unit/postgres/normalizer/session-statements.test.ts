import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  accessParts,
  type Catalog,
  type NormalizedStatement,
  normalizeStatement,
  SqlParser,
} from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { NAMES, normalizeOne } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

describe('transactions', () => {
  test.each([
    ['BEGIN', 'begin', { kind: 'begin' }],
    ['BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE', 'begin', { kind: 'begin' }],
    ['START TRANSACTION READ WRITE', 'begin', { kind: 'begin' }],
    ['COMMIT', 'commit', { kind: 'commit', chain: false }],
    ['END AND CHAIN', 'commit', { kind: 'commit', chain: true }],
    ['ROLLBACK', 'rollback', { kind: 'rollback', chain: false }],
    ['ABORT AND CHAIN', 'rollback', { kind: 'rollback', chain: true }],
    ['SAVEPOINT "A b"', 'savepoint', { kind: 'savepoint', name: 'A b' }],
    ['RELEASE a', 'release', { kind: 'release', name: 'a' }],
    ['ROLLBACK TO SAVEPOINT a', 'rollback_to', { kind: 'rollback_to', name: 'a' }],
  ])('%s', async (sql, kind, effect) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind,
      action: { name: `postgres.${kind}`, class: 'control' },
      effectFree: false,
      resources: [],
      outputs: null,
      effect,
    })
  })
})

describe('settings', () => {
  test.each([
    [`SET application_name = 'x y'`, 'application_name', 'x y', false],
    ['SET LOCAL statement_timeout = 500', 'statement_timeout', '500', true],
    ['SET DateStyle TO ISO, DMY', 'datestyle', 'iso, dmy', false],
    ['SET "Extra_Float_Digits" TO -1', 'extra_float_digits', '-1', false],
    [`SET TIME ZONE 'UTC'`, 'timezone', 'UTC', false],
    ['SET TIME ZONE LOCAL', 'timezone', 'DEFAULT', false],
    ['SET jit TO DEFAULT', 'jit', 'DEFAULT', false],
    ['SET TRANSACTION READ ONLY', 'transaction_read_only', '1', false],
    ['SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', 'default_transaction_read_only', '0', false],
    [
      'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY',
      'transaction',
      'transaction_isolation = serializable, transaction_read_only = 1',
      false,
    ],
  ])('%s', async (sql, name, value, local) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind: 'set',
      action: { class: 'control' },
      setting: { name, value },
      effect: { kind: 'set', name, local },
    })
  })

  test.each([
    ['RESET application_name', 'application_name'],
    ['RESET ALL', 'all'],
  ])('%s', async (sql, name) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind: 'reset',
      setting: { name, value: 'DEFAULT' },
    })
  })

  test.each([
    ['SHOW server_version', 'server_version', ['server_version']],
    ['SHOW TRANSACTION ISOLATION LEVEL', 'transaction_isolation', ['transaction_isolation']],
    ['SHOW ALL', 'all', ['name', 'setting', 'description']],
  ])('%s', async (sql, name, columns) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind: 'show', action: { class: 'discover' }, setting: { name, value: '' } })
    expect(statement.outputs?.map((output) => output.name)).toEqual(columns)
  })
})

describe('settings that a server cuts texts into tokens by', () => {
  test.each([
    'SET standard_conforming_strings = off',
    'SET LOCAL standard_conforming_strings TO DEFAULT',
    'RESET standard_conforming_strings',
    "SET client_encoding = 'SJIS'",
    'SET backslash_quote = on',
  ])('stay as they are, whatever a policy wants: %s', async (sql) => {
    const [parsed] = await parser.parse(sql)
    if (parsed === undefined) throw new Error('nothing was parsed')
    expect(() => normalizeStatement(parsed, catalog, NAMES)).toThrow(/is fixed for the session/)
  })
})

describe('prepared statements', () => {
  test.each([
    ['DEALLOCATE p', { kind: 'deallocate', name: 'p' }],
    ['DEALLOCATE ALL', { kind: 'deallocate', name: null }],
    ['DISCARD ALL', { kind: 'discard_all' }],
    ['DISCARD PLANS', { kind: 'none' }],
  ])('%s', async (sql, effect) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({ action: { class: 'control' }, effect })
  })

  const PREPARED = 'INSERT INTO transfers(amount, status) VALUES ($1, $2) RETURNING id'

  async function executed(sql: string, parameterOids: readonly number[] = []): Promise<NormalizedStatement> {
    const [[inner], [parsed]] = await Promise.all([parser.parse(PREPARED), parser.parse(sql)])
    if (inner === undefined || parsed === undefined) throw new Error('nothing was parsed')
    const names = {
      ...NAMES,
      prepared: (name: string) => (name === 'p' ? { parsed: inner, parameterOids } : undefined),
    }
    return normalizeStatement(parsed, catalog, names)
  }

  test('EXECUTE does what was prepared, with its arguments as what is bound', async () => {
    const statement = await executed(`EXECUTE p(250000, 'x')`)
    expect(statement).toMatchObject({
      kind: 'insert',
      action: { name: 'postgres.insert', class: 'write' },
      text: 'EXECUTE p($1, $2)',
      values: ['250000', 'x'],
      opaque: [],
    })
    const { resources } = accessParts(statement, { revision: '1', resources: {} }, statement.values ?? [])
    expect(resources[0]?.parts).toMatchObject([
      { name: 'id' },
      { name: 'amount', values: ['250000'] },
      { values: ['x'] },
    ])
  })

  test.each([
    ['an expression', 'EXECUTE p(1 + 1)', []],
    ['a cast, which may round', 'EXECUTE p(1.6::int)', []],
    ['a literal that its declared type rounds', 'EXECUTE p(1.6)', [23]],
    ['a literal of a type that nobody reads', `EXECUTE p('1')`, [701]],
    ['an element of an array', `EXECUTE p('{1}')`, [-1]],
  ])('the value is not known: %s', async (_, sql, types) => {
    expect((await executed(sql, types)).values?.[0]).toBeUndefined()
  })

  test('a function among the arguments is run as well', async () => {
    const { opaque, action } = await executed('EXECUTE p(bank.close_account(10))')
    expect(opaque.map(({ what }) => what)).toEqual(['function bank.close_account'])
    expect(action.class).toBe('control')
  })

  test('PREPARE names what it will do, and says which text the name stands for', async () => {
    const sql = 'PREPARE "as" (numeric, text[]) AS /* x */ INSERT INTO transfers(amount) VALUES ($1)'
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind: 'prepare',
      action: { name: 'postgres.prepare', class: 'discover' },
      resources: [{ name: 'public.transfers', parts: [{ name: 'amount', uses: ['written'], written: null }] }],
      effect: {
        kind: 'prepare',
        name: 'as',
        sql: '/* x */ INSERT INTO transfers(amount) VALUES ($1)',
        parameterOids: [1700, -1],
      },
    })
  })
})

describe('cursors', () => {
  test('DECLARE is judged as its query is, and hands out nothing', async () => {
    const sql = 'DECLARE "for" BINARY CURSOR WITH HOLD FOR SELECT ssn FROM ONLY customers WHERE id = $1'
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind: 'declare_cursor',
      action: { class: 'read' },
      outputs: null,
      resources: [
        {
          parts: [
            { name: 'id', uses: ['predicate'] },
            { name: 'ssn', uses: ['output'] },
          ],
        },
      ],
      effect: {
        kind: 'declare',
        name: 'for',
        hold: true,
        binary: true,
        sql: expect.stringMatching(/^SELECT ssn.*\$1$/),
      },
    })
  })

  test.each([
    ['FETCH 5 FROM c', 'fetch', ['ssn']],
    ['FETCH ABSOLUTE -1 FROM c', 'fetch', ['ssn']],
    ['MOVE ALL IN c', 'move', undefined],
  ])('%s does what the cursor does', async (sql, kind, outputs) => {
    const [[over], [parsed]] = await Promise.all([parser.parse('SELECT ssn FROM customers'), parser.parse(sql)])
    if (over === undefined || parsed === undefined) throw new Error('nothing was parsed')
    const cursor = () => ({ parsed: over, binary: true })
    const statement = normalizeStatement(parsed, catalog, { ...NAMES, cursor })
    expect(statement).toMatchObject({ kind, action: { class: 'read' }, opaque: [] })
    expect(statement.resources.map(({ name }) => name)).toContain('public.vip_customers')
    expect(statement.outputs?.map(({ name }) => name)).toEqual(outputs)
  })

  test('CLOSE', async () => {
    expect(await normalizeOne(parser, catalog, 'CLOSE c')).toMatchObject({ effect: { kind: 'close', name: 'c' } })
    expect(await normalizeOne(parser, catalog, 'CLOSE ALL')).toMatchObject({ effect: { kind: 'close', name: null } })
  })
})

describe('a query that can not be looked into', () => {
  test.each([
    ['PREPARE p (int) AS SELECT * FROM nowhere WHERE a = $1', { kind: 'prepare', name: 'p', parameterOids: [-1] }],
    ['DECLARE c BINARY CURSOR FOR SELECT * FROM nowhere', { kind: 'declare', name: 'c', hold: false, binary: true }],
    ['DECLARE c CURSOR WITH HOLD FOR SELECT * FROM nowhere', { kind: 'unseen' }],
    ['EXECUTE nothing', { kind: 'unseen' }],
  ])('is known by the name that the server gives it: %s', async (sql, effect) => {
    const named = await normalizeOne(parser, catalog, sql)
    expect(named).toMatchObject({ action: { class: 'control' }, effectFree: false, outputs: null, effect })
    expect(named.opaque.map(({ what }) => what)).toEqual(['unresolved'])
  })
})

describe('EXPLAIN', () => {
  test.each([
    ['EXPLAIN SELECT ssn FROM ONLY customers', 25],
    ['EXPLAIN (FORMAT json, VERBOSE, COSTS off) SELECT ssn FROM ONLY customers', 114],
    ['EXPLAIN (FORMAT xml, ANALYZE off) SELECT ssn FROM ONLY customers', 142],
  ])('%s', async (sql, typeOid) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({
      kind: 'explain',
      action: { class: 'read' },
      resources: [{ name: 'public.customers', parts: [{ name: 'ssn', uses: ['output'] }] }],
      outputs: [{ name: 'QUERY PLAN', sources: [], copy: false, typeOid }],
    })
  })
})

describe('EXPLAIN of what changes something, or runs it', () => {
  test.each([
    ['EXPLAIN DELETE FROM transfers', 'explain', 'read'],
    ['EXPLAIN CREATE TABLE t AS SELECT ssn FROM customers', 'explain', 'read'],
    ['EXPLAIN ANALYZE SELECT ssn FROM customers', 'explain_analyze', 'read'],
    ['EXPLAIN (ANALYZE off, ANALYZE) DELETE FROM transfers', 'explain_analyze', 'destroy'],
    ['EXPLAIN (ANALYZE, SERIALIZE text) INSERT INTO transfers(id) VALUES (1)', 'explain_analyze', 'write'],
  ])('%s', async (sql, kind, actionClass) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind, action: { class: actionClass }, opaque: [] })
    expect(statement.outputs?.map(({ name }) => name)).toEqual(['QUERY PLAN'])
  })
})

describe('definitions are named by kind, class and what they are about', () => {
  test.each([
    ['CREATE TABLE t (id int)', 'create_table', ['table public.t'], 'catalog'],
    ['CREATE VIEW bank.v AS SELECT 1', 'create_view', ['view bank.v'], 'catalog'],
    ['ALTER TABLE customers DISABLE ROW LEVEL SECURITY', 'alter_table', ['table public.customers'], 'catalog'],
    ['CREATE INDEX ON customers (ssn)', 'create_index', ['table public.customers'], 'catalog'],
    [
      'DROP VIEW IF EXISTS customer_safe, nobody',
      'drop_view',
      ['view public.customer_safe', 'table public.nobody'],
      'catalog',
    ],
    ['DROP SCHEMA bank CASCADE', 'drop_schema', ['schema bank'], 'catalog'],
    ['TRUNCATE events', 'truncate', ['table public.events'], 'none'],
    ['LISTEN c', 'listen', ['channel c'], 'listen'],
  ])('%s', async (sql, kind, resources, effect) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind, effectFree: false, effect: { kind: effect }, outputs: null })
    expect(statement.action.class).toBeOneOf(['control', 'destroy'])
    expect(statement.resources.map(({ type, name }) => `${type} ${name}`)).toEqual(resources)
  })
})
