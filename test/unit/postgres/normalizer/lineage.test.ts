import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { normalizeOne, outputsOf, usesOf } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

/** ONLY keeps the inheritance child out of the expectations. */
const SSN = 'public.customers.ssn'
const COPY = [`ssn = copy of ${SSN}`]

describe('a copy stays a copy, whatever it passes through', () => {
  test.each([
    'SELECT ssn FROM ONLY customers',
    'SELECT (c).ssn FROM ONLY customers c',
    'SELECT c.ssn FROM ONLY public.customers c',
    'SELECT public.customers.ssn FROM ONLY public.customers',
    'SELECT bank.public.customers.ssn FROM ONLY public.customers',
    'SELECT secret AS ssn FROM ONLY customers AS c(id, name, secret)',
    'SELECT ssn FROM (SELECT * FROM ONLY customers) q',
    'SELECT b AS ssn FROM (SELECT id, ssn FROM ONLY customers) q(a, b)',
    'WITH q AS (SELECT ssn FROM ONLY customers) TABLE q',
    'WITH q(ssn) AS MATERIALIZED (SELECT ssn AS x FROM ONLY customers) SELECT * FROM q',
    'WITH RECURSIVE q AS (SELECT ssn FROM ONLY customers UNION ALL SELECT ssn FROM q) SELECT * FROM q',
    'WITH a AS (SELECT ssn FROM ONLY customers), customers AS (SELECT * FROM a) SELECT * FROM customers',
    'SELECT ssn FROM ONLY customers UNION ALL SELECT ssn FROM ONLY customers',
    `SELECT ssn FROM ONLY customers UNION ALL SELECT 'x'`,
    'SELECT ssn FROM ONLY customers UNION ALL SELECT NULL',
    'SELECT (SELECT ssn FROM ONLY customers LIMIT 1)',
    'SELECT j.ssn FROM (ONLY customers c JOIN accounts a ON c.id = a.customer_id) AS j(x, y, ssn)',
    'SELECT ssn FROM accounts a, LATERAL (SELECT c.ssn FROM ONLY customers c WHERE c.id = a.customer_id) l',
    'SELECT ssn FROM accounts CROSS JOIN LATERAL (VALUES ((SELECT ssn FROM ONLY customers LIMIT 1))) v(ssn)',
    'SELECT ssn FROM accounts a RIGHT JOIN ONLY customers c ON c.id = a.customer_id',
    'SELECT ssn FROM ONLY customers TABLESAMPLE system (50)',
    '((SELECT ssn FROM ONLY customers))',
    'SELECT ssn FROM ROWS FROM (generate_series(1, 2)) g, ONLY customers',
  ])('%s', async (sql) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(outputsOf(statement)).toEqual(COPY)
    expect(statement.outputs?.[0]?.typeOid).toBe(25)
    expect(usesOf(statement)).toContain(`${SSN}: output`)
  })
})

describe('anything else that is made of it is derived', () => {
  test.each([
    'ssn || $1',
    'ssn::varchar',
    'ssn COLLATE "C"',
    'upper(ssn)',
    'ssn IS NULL',
    'ssn IS DISTINCT FROM $1',
    `ssn = '900-11-1111'`,
    'ssn IN ($1, $2)',
    'ssn = ANY ($1)',
    'ssn BETWEEN $1 AND $2',
    '($1 = ssn) IS TRUE',
    'NOT (ssn = $1)',
    'coalesce($1, ssn)',
    'greatest(ssn, $1)',
    'nullif($1, ssn)',
    'CASE WHEN true THEN ssn END',
    'CASE WHEN false THEN $1 ELSE ssn END',
    'ARRAY[ssn]',
    '(ARRAY[ssn])[1]',
    'ROW(ssn, 1)',
    '(ROW(ssn, 1)).f1 || $1',
    'ARRAY(SELECT ssn)',
    'count(ssn)',
    'count(*) FILTER (WHERE true) + length(max(ssn))',
    'string_agg($1, $2 ORDER BY ssn)',
    'percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn)',
    'first_value(ssn) OVER ()',
    'xmlelement(name x, xmlattributes(ssn AS y))',
    'xmlserialize(content xmlelement(name x, ssn) AS text)',
    `JSON_OBJECT('a': ssn)`,
    'JSON_ARRAY(1, ssn)',
    `JSON_VALUE(JSON_OBJECT('a': ssn), '$.a')`,
    'JSON_SCALAR(ssn)',
    'json_build_object($1, ssn)',
    'c',
    'to_jsonb(c)',
    'c.*::text',
    'row_to_json(c.*)',
    'ROW(c.*)',
    'pg_typeof(ssn)',
  ])('%s', async (expression) => {
    const statement = await normalizeOne(parser, catalog, `SELECT ${expression} FROM ONLY customers c`)
    expect(usesOf(statement).find((use) => use.startsWith(SSN))).toMatch(/ (?:derived|predicate)/)
    const [output] = statement.outputs ?? []
    expect(output?.copy).toBe(false)
  })

  test('whether it is handed out or not: what the client computes can fail on a value', async () => {
    const sql = 'SELECT 1 FROM (SELECT ssn::int8 FROM ONLY customers OFFSET 0) q'
    expect(usesOf(await normalizeOne(parser, catalog, sql))).toEqual([`${SSN}: derived`])
  })

  test('a copy that nobody uses is no use', async () => {
    const sql = 'SELECT id FROM (SELECT id, ssn FROM ONLY customers) q'
    expect(usesOf(await normalizeOne(parser, catalog, sql))).toEqual(['public.customers.id: output'])
  })

  test('two columns in one are neither: no mask fits both', async () => {
    const sql = 'SELECT ssn FROM ONLY customers UNION ALL SELECT email FROM ONLY customers'
    const statement = await normalizeOne(parser, catalog, sql)
    expect(outputsOf(statement)).toEqual([`ssn = made of ${SSN} public.customers.email`])
    expect(usesOf(statement)).toEqual([`${SSN}: derived`, 'public.customers.email: derived'])
  })

  test('two types in one are no copy', async () => {
    const sql = `SELECT dob FROM ONLY customers UNION ALL SELECT now()`
    expect(outputsOf(await normalizeOne(parser, catalog, sql))).toEqual(['dob = made of public.customers.dob'])
  })
})

describe('what steers the answer is a predicate', () => {
  test.each([
    'SELECT 1 FROM ONLY customers WHERE ssn = $1',
    'SELECT 1 FROM ONLY customers WHERE NOT (id = 1 AND ssn LIKE $1)',
    'SELECT 1 FROM ONLY customers WHERE $1 IN (SELECT ssn)',
    'SELECT 1 FROM accounts WHERE EXISTS (SELECT FROM ONLY customers WHERE ssn = account_number)',
    'SELECT 1 FROM accounts WHERE account_number IN (SELECT ssn FROM ONLY customers)',
    'SELECT 1 FROM accounts WHERE account_number >= ALL (SELECT ssn FROM ONLY customers)',
    'SELECT 1 FROM accounts WHERE (account_number, 1) = (SELECT ssn, 1 FROM ONLY customers)',
    'SELECT 1 FROM accounts a JOIN ONLY customers c ON c.ssn = a.account_number',
    'SELECT 1 FROM accounts JOIN (SELECT ssn AS account_number FROM ONLY customers) q USING (account_number)',
    'SELECT 1 FROM accounts NATURAL JOIN (SELECT ssn AS account_number FROM ONLY customers) q',
    'SELECT 1 FROM ONLY customers GROUP BY ssn',
    'SELECT 1 FROM ONLY customers GROUP BY CUBE (id, ssn)',
    'SELECT ssn AS x, 1 FROM ONLY customers GROUP BY 1',
    'SELECT ssn AS x FROM ONLY customers GROUP BY x',
    'SELECT 1 FROM ONLY customers HAVING max(ssn) > $1',
    'SELECT 1 FROM ONLY customers ORDER BY ssn',
    'SELECT ssn AS x FROM ONLY customers ORDER BY x',
    'SELECT ssn FROM ONLY customers ORDER BY 1',
    'SELECT ssn AS id FROM ONLY customers ORDER BY id',
    'SELECT DISTINCT ssn FROM ONLY customers',
    'SELECT DISTINCT ON (ssn) 1 FROM ONLY customers',
    'SELECT 1 LIMIT (SELECT length(ssn) FROM ONLY customers)',
    'SELECT 1 OFFSET (SELECT length(ssn) FROM ONLY customers)',
    'SELECT count(*) FILTER (WHERE ssn = $1) FROM ONLY customers',
    'SELECT count(DISTINCT ssn) FROM ONLY customers',
    'SELECT array_agg(id ORDER BY ssn) FROM ONLY customers',
    'SELECT rank() OVER (ORDER BY ssn) FROM ONLY customers',
    'SELECT rank() OVER (PARTITION BY ssn) FROM ONLY customers',
    'SELECT rank() OVER w FROM ONLY customers WINDOW w AS (ORDER BY ssn)',
    'SELECT sum(id) OVER (ROWS (SELECT length(ssn) FROM ONLY customers LIMIT 1) PRECEDING) FROM accounts',
    'SELECT CASE ssn WHEN $1 THEN 1 END FROM ONLY customers',
    'SELECT CASE WHEN ssn = $1 THEN 1 END FROM ONLY customers',
    'SELECT ssn FROM ONLY customers UNION SELECT $1',
    'SELECT $1 INTERSECT ALL SELECT ssn FROM ONLY customers',
    'SELECT $1 EXCEPT SELECT ssn FROM ONLY customers',
    'WITH RECURSIVE r(x) AS (SELECT ssn FROM ONLY customers UNION SELECT x FROM r) SELECT 1 FROM r',
    'SELECT 1 FROM accounts TABLESAMPLE system ((SELECT length(ssn) FROM ONLY customers))',
    'EXPLAIN SELECT 1 FROM ONLY customers WHERE ssn = $1',
  ])('%s', async (sql) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(usesOf(statement).find((use) => use.startsWith(SSN))).toMatch(/ predicate/)
  })

  test.each([
    ['a column of a name that a result column takes first', 'SELECT id AS ssn FROM ONLY customers ORDER BY ssn'],
    ['a string is no position', `SELECT ssn, id FROM ONLY customers ORDER BY id, '1'`],
  ])('but not %s', async (_, sql) => {
    const uses = usesOf(await normalizeOne(parser, catalog, sql))
    expect(uses.find((use) => use.startsWith(SSN)) ?? `${SSN}: output`).toBe(`${SSN}: output`)
  })
})

describe('what stands behind a relation is named with it', () => {
  test('a view names itself, its table and the table’s children', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT reference_code FROM customer_contact')
    expect(usesOf(statement)).toEqual([
      'public.customer_contact.reference_code: output',
      'public.customers.ssn: output',
      'public.vip_customers.ssn: output',
    ])
    expect(statement.outputs).toEqual([
      {
        name: 'reference_code',
        copy: true,
        typeOid: 25,
        sources: [
          { resource: 'public.customer_contact', part: 'reference_code' },
          { resource: 'public.customers', part: 'ssn' },
          { resource: 'public.vip_customers', part: 'ssn' },
        ],
      },
    ])
  })

  test('a view names what it leaves out as well, but no use of it', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT * FROM customer_safe')
    expect(statement.resources.map(({ type, name }) => `${type} ${name}`)).toEqual([
      'view public.customer_safe',
      'table public.customers',
      'table public.vip_customers',
    ])
    expect(usesOf(statement).filter((use) => /ssn|email|phone|dob/.test(use))).toEqual([])
  })

  test('a child names its parent, so that a rule on the parent covers it', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT ssn, tier FROM vip_customers')
    expect(outputsOf(statement)).toEqual([
      'ssn = copy of public.vip_customers.ssn public.customers.ssn',
      'tier = copy of public.vip_customers.tier',
    ])
  })

  test('a partition names the table it is part of, and the table its partitions', async () => {
    const partition = await normalizeOne(parser, catalog, 'SELECT id FROM events_2026')
    expect(partition.resources.map(({ name }) => name)).toEqual(['public.events_2026', 'public.events'])
    const whole = await normalizeOne(parser, catalog, 'SELECT id FROM events')
    expect(whole.resources.map(({ name }) => name)).toEqual(['public.events', 'public.events_2026'])
  })

  test('a materialized view is a table in itself', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT code FROM customer_mv')
    expect(statement.resources).toEqual([
      { type: 'materialized-view', name: 'public.customer_mv', parts: [{ name: 'code', uses: ['output'] }] },
    ])
  })

  test('a view of the server’s own is one too', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT rolname FROM pg_roles')
    expect(statement).toMatchObject({
      action: { name: 'postgres.select', class: 'discover' },
      resources: [{ type: 'view', name: 'pg_catalog.pg_roles' }],
    })
  })

  test('the catalogue beside a table is no discovery', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT 1 FROM pg_class, accounts')
    expect(statement.action.class).toBe('read')
  })

  test('a name in pg_catalog comes before one in public', async () => {
    const changed = await bankCatalog({ relations: [['17001', 'public', 'pg_class', 'r', '17003', 'f', null]] })
    const statement = await normalizeOne(parser, changed, 'SELECT 1 FROM pg_class')
    expect(statement.resources.map(({ name }) => name)).toEqual(['pg_catalog.pg_class'])
  })

  test('a generated column is made of the columns in its expression', async () => {
    const changed = await bankCatalog({
      relations: [['17001', 'public', 'people', 'r', '17003', 'f', null]],
      columns: [
        ['17001', '1', 'ssn', '25', null],
        ['17001', '2', 'tail', '25', '"right"(ssn, 4)'],
      ],
    })
    const statement = await normalizeOne(parser, changed, 'SELECT tail FROM people')
    expect(outputsOf(statement)).toEqual(['tail = made of public.people.tail public.people.ssn'])
  })

  test('what a view computes counts when it is used', async () => {
    const changed = await bankCatalog({
      relations: [
        [
          '17001',
          'public',
          'tails',
          'v',
          '17003',
          'f',
          ' SELECT id, "right"(ssn, 4) AS tail FROM ONLY public.customers;',
        ],
      ],
      columns: [
        ['17001', '1', 'id', '23', null],
        ['17001', '2', 'tail', '25', null],
      ],
    })
    const harmless = await normalizeOne(parser, changed, 'SELECT id FROM tails')
    expect(usesOf(harmless)).toEqual(['public.tails.id: output', 'public.customers.id: output'])
    expect(harmless.functions).toEqual(['pg_catalog.right'])
    const used = await normalizeOne(parser, changed, 'SELECT tail FROM tails')
    expect(usesOf(used)).toEqual(['public.tails.tail: derived', 'public.customers.ssn: derived'])
  })

  test('names in a view are the server’s own where they are unqualified, whatever the client’s schema holds', async () => {
    const changed = await bankCatalog({
      functions: [['public', 'upper', 'f', null, 'scalar']],
      relations: [
        ['17001', 'public', 'loud', 'v', '17003', 'f', ' SELECT upper(name) AS n FROM ONLY public.customers;'],
      ],
      columns: [['17001', '1', 'n', '25', null]],
    })
    const statement = await normalizeOne(parser, changed, 'SELECT n FROM loud')
    expect(statement.functions).toEqual(['pg_catalog.upper'])
  })
})

describe('names are found where the server finds them', () => {
  test('a WITH query hides a table only where it is in sight', async () => {
    const sql = `SELECT (SELECT s FROM (WITH customers AS (SELECT 1 AS q) SELECT q FROM customers) z,
      LATERAL (SELECT max(ssn) s FROM customers) y)`
    expect(usesOf(await normalizeOne(parser, catalog, sql))).toContain(`${SSN}: derived`)
  })

  test('a schema hides no WITH query, and is hidden by none', async () => {
    const sql = 'WITH customers AS (SELECT 1 AS ssn) SELECT ssn FROM public.customers'
    expect(outputsOf(await normalizeOne(parser, catalog, sql))?.[0]).toMatch(/copy of public\.customers\.ssn/)
  })

  test('without LATERAL a sub-query sees past its neighbours to the level outside', async () => {
    const sql = `SELECT (SELECT q.v FROM accounts a, (SELECT ssn AS v) q LIMIT 1) FROM ONLY customers`
    expect(outputsOf(await normalizeOne(parser, catalog, sql))).toEqual([`v = copy of ${SSN}`])
  })

  test('a join’s condition does not see the join’s neighbours', async () => {
    const sql = `SELECT (SELECT 1 FROM accounts n, accounts a JOIN transfers t ON name = 'x' LIMIT 1) FROM ONLY customers`
    expect(usesOf(await normalizeOne(parser, catalog, sql))).toEqual(['public.customers.name: predicate'])
  })

  test('system columns are parts that nobody labels', async () => {
    const statement = await normalizeOne(parser, catalog, 'SELECT ctid, tableoid::regclass FROM accounts')
    expect(usesOf(statement)).toEqual(['public.accounts.ctid: output', 'public.accounts.tableoid: derived'])
  })

  test('stars keep the server’s order through USING and NATURAL', async () => {
    const using = await normalizeOne(parser, catalog, 'SELECT * FROM events JOIN accounts USING (customer_id)')
    expect(using.outputs?.map(({ name }) => name)).toEqual([
      'customer_id',
      'id',
      'at',
      'id',
      'account_number',
      'balance',
    ])
    const natural = await normalizeOne(parser, catalog, 'SELECT * FROM accounts NATURAL JOIN events')
    expect(natural.outputs?.map(({ name }) => name)).toEqual(['id', 'customer_id', 'account_number', 'balance', 'at'])
  })

  test.each([
    ['SELECT 1', ['?column?']],
    [
      'SELECT now(), CURRENT_DATE, 1::int4, nullif(1, 2), CASE WHEN true THEN 1 END',
      ['now', 'current_date', 'int4', 'nullif', 'case'],
    ],
    ['SELECT (SELECT id FROM accounts LIMIT 1), EXISTS (SELECT 1), ARRAY[1], ROW(1)', ['id', 'exists', 'array', 'row']],
    ['SELECT count(*), greatest(1, 2), coalesce(1, 2)::text', ['count', 'greatest', 'coalesce']],
    ['VALUES (1, 2)', ['column1', 'column2']],
    ['SELECT * FROM jsonb_each($1)', ['key', 'value']],
    ['SELECT * FROM generate_series(1, 2) WITH ORDINALITY AS g(n)', ['n', 'ordinality']],
    ['SELECT * FROM unnest($1::int[], $2::text[])', ['unnest', 'unnest']],
    ["SELECT * FROM unnest('a:1 b'::tsvector)", ['lexeme', 'positions', 'weights']],
    ['SELECT * FROM json_to_record($1) AS r(a int, b text)', ['a', 'b']],
    ['SELECT FROM customers', []],
    ['TABLE events', ['id', 'customer_id', 'at']],
  ])('result columns are named as the server names them: %s', async (sql, names) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement.outputs?.map(({ name }) => name)).toEqual(names)
  })
})

describe('effect-free is what is proven to be', () => {
  test.each([
    ['SELECT ssn FROM customers WHERE id = $1', true],
    ['SELECT now(), count(*) FROM customer_safe', true],
    ['SELECT random()', false],
    ['SELECT gen_random_uuid()', false],
    ['SELECT id FROM accounts FOR UPDATE', false],
    ['SELECT id FROM accounts FOR KEY SHARE', false],
    ['SELECT * FROM (SELECT id FROM accounts FOR SHARE) q', false],
    ['WITH d AS (DELETE FROM transfers RETURNING id) SELECT id FROM d', false],
    ['WITH i AS (INSERT INTO audit_log(event) VALUES (1)) SELECT 1', false],
  ])('%s: %s', async (sql, free) => {
    expect((await normalizeOne(parser, catalog, sql)).effectFree).toBe(free)
  })

  test('not where row security runs somebody’s expression', async () => {
    const changed = await bankCatalog({
      relations: [['17001', 'public', 'guarded', 'r', '17003', 't', null]],
      columns: [['17001', '1', 'id', '23', null]],
    })
    expect((await normalizeOne(parser, changed, 'SELECT id FROM guarded')).effectFree).toBe(false)
  })
})

describe('a statement is called by the strongest thing it does', () => {
  test.each([
    ['SELECT 1', 'select', 'read'],
    ['SELECT id FROM accounts FOR UPDATE', 'select_for_update', 'write'],
    ['WITH d AS (DELETE FROM transfers RETURNING id) SELECT id FROM d', 'delete', 'destroy'],
    ['WITH u AS (UPDATE transfers SET amount = 1 RETURNING id) SELECT id FROM u', 'update', 'write'],
    ['WITH u AS (UPDATE transfers SET amount = 1) INSERT INTO audit_log(event) VALUES (1)', 'insert', 'write'],
    ['WITH d AS (DELETE FROM transfers) INSERT INTO audit_log(event) VALUES (1)', 'delete', 'destroy'],
    ['INSERT INTO audit_log(event) VALUES (1) ON CONFLICT DO NOTHING', 'insert', 'write'],
    ['INSERT INTO audit_log(event) VALUES (1) ON CONFLICT (id) DO UPDATE SET event = 2', 'upsert', 'write'],
    ['COPY accounts TO STDOUT', 'copy_to', 'read'],
    ['COPY accounts FROM STDIN', 'copy_from', 'write'],
    ['CREATE TABLE t AS SELECT id FROM accounts', 'create_table_as', 'control'],
    ['DROP TABLE transfers', 'drop_table', 'destroy'],
    ['DROP FUNCTION bank.run', 'drop_function', 'destroy'],
    ['TRUNCATE transfers, accounts', 'truncate', 'destroy'],
    ['ALTER TABLE customers RENAME ssn TO name2', 'rename', 'control'],
    ['LOCK TABLE accounts', 'lock', 'control'],
    ['NOTIFY c', 'notify', 'control'],
  ])('%s: %s', async (sql, kind, actionClass) => {
    const statement = await normalizeOne(parser, catalog, sql)
    expect(statement).toMatchObject({ kind, action: { name: `postgres.${kind}`, class: actionClass } })
  })
})
