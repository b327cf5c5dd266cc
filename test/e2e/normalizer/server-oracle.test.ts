import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { Client, type FieldDef, type QueryArrayResult } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Catalog,
  type CatalogSource,
  type NormalizedStatement,
  SqlParser,
} from '../../../planes/postgres/normalizer/index.ts'
import { BUILTIN_QUERIES } from '../../../planes/postgres/normalizer/catalog-queries.ts'
import { bankCatalog, record } from '../../golden/postgres/bank-catalog.ts'
import { normalizeOne } from '../../golden/postgres/statements.ts'
import { anyQuery } from '../../property/postgres/queries.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres.ts'

let server: PostgresServer
let client: Client
let source: CatalogSource
let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  server = await startPostgres()
  client = new Client({ connectionString: server.psqlUrl })
  await client.connect()
  // Every value as the text that the server sent.
  const types = { getTypeParser: () => String }
  source = {
    query: async (text) => {
      const { rows }: QueryArrayResult<(string | null)[]> = await client.query({ text, rowMode: 'array', types })
      return rows
    },
  }
  parser = await SqlParser.open()
  catalog = await Catalog.load(source)
})
afterAll(async () => {
  await parser?.close()
  await client?.end()
  await server?.stop()
})

/** What the server says of a query's result, without its rows. */
async function described(sql: string): Promise<readonly FieldDef[]> {
  const values = /\$1\b/.test(sql) ? [null] : []
  const { fields }: QueryArrayResult = await client.query({ text: sql, values, rowMode: 'array' })
  return fields
}

interface Agreement {
  readonly names: readonly string[]
  readonly copies: readonly (number | null)[]
  readonly missed: readonly string[]
}

/** What the server says of a result: its columns' names, the types of those that lineage calls copies. */
function serverView(fields: readonly FieldDef[], { outputs }: NormalizedStatement): Agreement {
  const copies = fields.filter((_, index) => outputs?.[index]?.copy === true)
  return { names: fields.map(({ name }) => name), copies: copies.map(({ dataTypeID }) => dataTypeID), missed: [] }
}

/** What lineage says, with the columns that it missed: lineage may know of more sources, never of fewer. */
function lineageView(fields: readonly FieldDef[], { outputs }: NormalizedStatement): Agreement {
  const missed = fields.flatMap(({ tableID, columnID }, index) => {
    const origin = catalog.columnAt(tableID, columnID)
    const known = outputs?.[index]?.sources ?? []
    return origin === null || known.includes(origin) ? [] : [`${origin.resource}.${origin.part}`]
  })
  const copies = (outputs ?? []).filter(({ copy }) => copy).map(({ typeOid }) => typeOid)
  return { names: (outputs ?? []).map(({ name }) => name), copies, missed }
}

async function viewsOf(sql: string): Promise<readonly [lineage: Agreement, server: Agreement]> {
  const statement = await normalizeOne(parser, catalog, sql)
  const fields = await described(sql)
  return [lineageView(fields, statement), serverView(fields, statement)]
}

test('the recorded catalogue is what a live server answers', async () => {
  expect(await record(source)).toBe(readFileSync(new URL('../../golden/postgres/catalog.tsv', import.meta.url), 'utf8'))
  expect(catalog.version).toBe((await bankCatalog()).version)
})

test('a change of the catalogue is another version, and its reading leaves nothing behind', async () => {
  await client.query('CREATE VIEW public.later AS SELECT ssn AS s FROM public.customers')
  const changed = await Catalog.load(source)
  expect(changed.version).not.toBe(catalog.version)
  const { outputs } = await normalizeOne(parser, changed, 'SELECT s FROM later')
  expect(outputs?.[0]?.sources).toContainEqual({ resource: 'public.customers', part: 'ssn' })
  await client.query('DROP VIEW public.later')
  expect((await Catalog.load(source)).version).toBe(catalog.version)
  expect(await source.query('SHOW search_path')).toEqual([['"$user", public']])
})

test('what came with the server is read again only where somebody has changed it', async () => {
  const texts: string[] = []
  const noted: CatalogSource = { query: (sql) => source.query((texts.push(sql), sql)) }
  expect(await Catalog.load(noted, catalog)).toBe(catalog)
  expect(texts).not.toContain(BUILTIN_QUERIES.functions)
  await client.query(`ALTER FUNCTION pg_catalog.lower(text) VOLATILE;
    CREATE FUNCTION pg_catalog.upper(a integer, OUT b integer) VOLATILE RETURN a;
    CREATE FUNCTION public.touching(a point, b point) RETURNS boolean RETURN true;
    CREATE OPERATOR pg_catalog.&& (LEFTARG = point, RIGHTARG = point, FUNCTION = public.touching)`)
  const changed = await Catalog.load(noted, catalog)
  expect(texts).toContain(BUILTIN_QUERIES.functions)
  expect(changed.version).toBe((await Catalog.load(source)).version)
  expect(changed.function('pg_catalog', 'lower')).toMatchObject({ volatile: true })
  expect(changed.function('pg_catalog', 'upper')).toMatchObject({ volatile: true, outputs: [] })
  expect(catalog.operator('pg_catalog', '&&')).toEqual({ native: true })
  expect(changed.operator('pg_catalog', '&&')).toEqual({ native: false })
  await client.query(`ALTER FUNCTION pg_catalog.lower(text) IMMUTABLE; DROP FUNCTION pg_catalog.upper(integer);
    DROP FUNCTION public.touching CASCADE`)
  expect((await Catalog.load(source, changed)).version).toBe(catalog.version)
})

test('what foreign keys do to other tables is named, and is what the server does', async () => {
  const counts =
    'SELECT (SELECT count(*) FROM branches)::int, (SELECT count(*) FROM desks)::int, (SELECT count(branch) FROM visits)::int'
  await client.query(`BEGIN;
    CREATE TABLE branches (id integer PRIMARY KEY);
    CREATE TABLE desks (id integer PRIMARY KEY, branch integer REFERENCES branches ON DELETE CASCADE);
    CREATE TABLE visits (branch integer REFERENCES branches ON DELETE SET NULL, desk integer REFERENCES desks ON UPDATE CASCADE);
    INSERT INTO branches VALUES (1), (2);
    INSERT INTO desks VALUES (10, 1);
    INSERT INTO visits VALUES (1, NULL)`)
  try {
    // A catalogue is read in a transaction of its own: here, in ours.
    const changed = await Catalog.load({
      query: (sql) => (/^(BEGIN|COMMIT)/.test(sql) ? Promise.resolve([]) : source.query(sql)),
    })
    const sql = 'DELETE FROM branches WHERE id = 1'
    const { sideEffects } = await normalizeOne(parser, changed, sql)
    expect(sideEffects).toEqual([
      { kind: 'foreign_key', on: 'public.desks', name: 'desks_branch_fkey', does: 'cascade' },
      { kind: 'foreign_key', on: 'public.visits', name: 'visits_branch_fkey', does: 'set_null' },
    ])
    await client.query('SET LOCAL search_path TO public') // reading the catalogue empties it
    await client.query(sql)
    expect(await source.query(counts)).toEqual([['1', '0', '0']])
  } finally {
    await client.query('ROLLBACK')
  }
})

test('reading that fails midway leaves no transaction open', async () => {
  const failing: CatalogSource = {
    query: (sql) => (sql.includes('pg_proc') ? source.query('SELECT 1/0') : source.query(sql)),
  }
  await expect(Catalog.load(failing)).rejects.toMatchObject({ code: '22012' })
  expect(await source.query('SHOW transaction_isolation')).toEqual([['read committed']])
})

describe('the server as the oracle', () => {
  test('of any query over the bank', async () => {
    await fc.assert(
      fc.asyncProperty(anyQuery, async (sql) => {
        const [lineage, server] = await viewsOf(sql)
        expect(lineage).toEqual(server)
      }),
      { numRuns: 300 },
    )
  })

  test.each([
    'SELECT * FROM customers JOIN accounts ON customers.id = customer_id',
    'SELECT * FROM events JOIN accounts USING (customer_id)',
    'SELECT * FROM accounts NATURAL JOIN events',
    'SELECT * FROM accounts a FULL JOIN events e USING (id, customer_id)',
    'SELECT j.*, a.id FROM (accounts a JOIN events e ON true) AS j(x, y), accounts a',
    'SELECT u.* FROM accounts JOIN events USING (id) AS u',
    'SELECT (c).*, c.*, (ROW(1, c.name)).f2 FROM customers c',
    'SELECT c FROM customers c',
    'SELECT (SELECT c FROM customers c LIMIT 1).ssn',
    'WITH RECURSIVE t(a, b) AS (SELECT 1, ssn FROM customers UNION ALL SELECT a + 1, b FROM t WHERE a < 2) TABLE t',
    'SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY[1])) WITH ORDINALITY',
    `SELECT * FROM jsonb_each('{}'), jsonb_array_elements('[]') e, json_to_record('{"a": 1}') AS r(a int)`,
    'SELECT * FROM unnest(ARRAY[1], ARRAY[2]), unnest(ARRAY[3]) three, upper($1)',
    'SELECT tableoid, ctid, xmin, * FROM ONLY customers',
    'SELECT customers FROM customers, (SELECT 1) AS q(customers)',
    'SELECT DISTINCT ON (1) ssn, name AS id FROM customers ORDER BY 1, id',
    'SELECT name AS id FROM customers GROUP BY customers.id, name ORDER BY id',
    'VALUES (1, NULL), (2, $1)',
    `SELECT 'x' UNION ALL SELECT ssn FROM customers`,
    'SELECT ssn FROM customers UNION ALL SELECT $1',
    'SELECT dob FROM customers UNION ALL SELECT NULL',
    'SELECT * FROM customer_contact, customer_safe, customer_mv, account_admin',
    'SELECT * FROM information_schema.tables, pg_catalog.pg_roles',
    'TABLE ONLY customers',
    'SHOW server_version',
    'SHOW ALL',
    'EXPLAIN (FORMAT json) SELECT 1',
    'EXPLAIN SELECT 1',
  ])('of %s', async (sql) => {
    const [lineage, server] = await viewsOf(sql)
    expect(lineage).toEqual(server)
  })

  test.each([
    [`SELECT ('PG_VERSION').pg_read_file`, 'form'],
    [`SELECT id FROM customers WHERE ssn OPERATOR(bank.===) 'x'`, 'operator bank.==='],
    [`SELECT query_to_xml('TABLE customers', true, false, '')`, 'function pg_catalog.query_to_xml'],
  ])('what is opaque is no syntax of ours: the server runs %s', async (sql, what) => {
    const { action, effectFree, opaque } = await normalizeOne(parser, catalog, sql)
    expect([action.class, effectFree, opaque.map((each) => each.what)]).toEqual(['control', false, [what]])
    await expect(described(sql)).resolves.toHaveLength(1)
  })
})
