import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Catalog, normalizeStatement, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
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

describe('prepared statements', () => {
  test.each([
    ['DEALLOCATE p', { kind: 'deallocate', name: 'p' }],
    ['DEALLOCATE ALL', { kind: 'deallocate', name: null }],
    ['DISCARD ALL', { kind: 'discard_all' }],
    ['DISCARD PLANS', { kind: 'none' }],
  ])('%s', async (sql, effect) => {
    expect(await normalizeOne(parser, catalog, sql)).toMatchObject({ action: { class: 'control' }, effect })
  })

  test('EXECUTE does what was prepared, with values that nobody knows', async () => {
    const prepared = await normalizeOne(parser, catalog, 'INSERT INTO transfers(amount) VALUES ($1) RETURNING id')
    const names = { ...NAMES, prepared: (name: string) => (name === 'p' ? prepared : undefined) }
    const [parsed] = await parser.parse('EXECUTE p(250000)')
    if (parsed === undefined) throw new Error('nothing was parsed')
    const statement = normalizeStatement(parsed, catalog, names)
    expect(statement).toMatchObject({
      kind: 'insert',
      action: { name: 'postgres.insert', class: 'write' },
      text: 'EXECUTE p($1)',
      outputs: prepared.outputs,
      resources: [
        { name: 'public.transfers', parts: [{ name: 'id' }, { name: 'amount', uses: ['written'], written: null }] },
      ],
    })
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
    ['DROP SCHEMA bank CASCADE', 'drop_schema', [], 'catalog'],
    ['TRUNCATE events', 'truncate', ['table public.events'], 'none'],
    ['LISTEN c', 'listen', [], 'none'],
  ])('%s', async (sql, kind, resources, effect) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind, effectFree: false, effect: { kind: effect }, outputs: null })
    expect(statement.action.class).toBeOneOf(['control', 'destroy'])
    expect(statement.resources.map(({ type, name }) => `${type} ${name}`)).toEqual(resources)
  })
})
