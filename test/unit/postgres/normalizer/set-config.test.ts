import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { requestBlock } from '../../../../planes/postgres/enforcer/request-block.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { normalizeOne } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

test.each([
  [`SELECT set_config('jit', 'off', false)`, 'jit', 'off', ['set_config']],
  [`SELECT pg_catalog.set_config('DateStyle', 'ISO', true) AS x`, 'datestyle', 'ISO', ['x']],
  [`SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new`, 'jit', 'off', ['cur', 'new']],
  [
    `SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'`,
    'restrict_nonsystem_relation_kind',
    'view',
    ['set_config'],
  ],
])('%s is named as SET is', async (sql, name, value, columns) => {
  const statement = await normalizeOne(parser, catalog, sql)
  expect(statement).toMatchObject({ kind: 'set', action: { class: 'control' }, setting: { name, value }, opaque: [] })
  expect(statement.outputs?.map((column) => column.name)).toEqual(columns)
})

test('a bound value is what policy sees of it', async () => {
  const statement = await normalizeOne(parser, catalog, `SELECT set_config('jit', $1, false)`)
  const block = requestBlock(statement, { kind: 'set', database: 'bank', user: 'a', parameters: ['on'] })
  expect(block['setting']).toEqual({ name: 'jit', value: 'on' })
})

test.each([
  `SELECT set_config($1, 'off', false)`,
  `SELECT set_config('jit', 'off', $1)`,
  `SELECT set_config('jit', NULL, false)`,
  `SELECT set_config('jit', ssn, false) FROM customers`,
  `SELECT set_config('jit', 'off', false) FROM customers`,
  `SELECT set_config('jit', 'off', false) WHERE (SELECT true)`,
  `SELECT set_config('jit', 'off', false), set_config('role', 'postgres', false)`,
  `SELECT set_config('jit', 'off', false), current_setting('role')`,
  `SELECT set_config('jit', 'off', false), (SELECT ssn FROM customers LIMIT 1)`,
  `SELECT set_config('jit', 'off', false) FILTER (WHERE true)`,
  `SELECT set_config('jit', 'off', false) UNION SELECT 'x'`,
  `WITH x AS (SELECT 1) SELECT set_config('jit', 'off', false)`,
  `SELECT set_config(name, 'x', false) FROM pg_catalog.pg_settings WHERE name <> 'jit'`,
  `SELECT set_config(name, 'x', false) FROM pg_catalog.pg_settings WHERE name = 'jit' AND set_config('role', 'x', false) = ''`,
  `SELECT set_config(name, 'x', false) FROM pg_catalog.pg_settings`,
  `SELECT set_config(name, 'x', false) FROM bank.pg_settings WHERE name = 'jit'`,
  `SELECT set_config(setting, 'x', false) FROM pg_catalog.pg_settings WHERE name = 'jit'`,
  `EXPLAIN ANALYZE SELECT set_config('jit', 'off', false)`,
  `DECLARE c CURSOR FOR SELECT set_config('jit', 'off', false)`,
  `COPY (SELECT set_config('jit', 'off', false)) TO STDOUT`,
])('%s is code that can’t be seen into', async (sql) => {
  const { opaque } = await normalizeOne(parser, catalog, sql)
  expect(opaque.map(({ what }) => what)).toContain('function pg_catalog.set_config')
})

test('a function of a user’s by that name is another', async () => {
  const theirs = await bankCatalog({ functions: [['public', 'set_config', 't', null, 'scalar']] })
  const { opaque } = await normalizeOne(parser, theirs, `SELECT set_config('jit', 'off', false)`)
  expect(opaque.map(({ what }) => what)).toContain('function public.set_config')
})
