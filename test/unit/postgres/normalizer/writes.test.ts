import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Labels, ResourcePart } from '../../../../engine/index.ts'
import { accessParts, type Catalog, SqlParser } from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'
import { normalizeOne, outputsOf, usesOf } from '../../../golden/postgres/statements.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

const LABELS: Labels = { revision: 'r1', resources: { 'public.customers': { ssn: ['pii'] } } }

async function partOf(
  sql: string,
  name: string,
  parameters: readonly (string | null | undefined)[] = [],
  resource = 'public.transfers',
): Promise<ResourcePart | undefined> {
  const { resources } = accessParts(await normalizeOne(parser, catalog, sql), LABELS, parameters)
  return resources.find((each) => each.name === resource)?.parts.find((part) => part.name === name)
}

describe('values that cannot be known beforehand', () => {
  test.each([
    'INSERT INTO transfers(amount) VALUES (1 + 1)',
    'INSERT INTO transfers(amount) VALUES (10), (abs(-20))',
    'INSERT INTO transfers(amount) SELECT 250000',
    'INSERT INTO transfers(amount) SELECT balance FROM accounts',
    'INSERT INTO transfers(amount) VALUES (1) LIMIT 0',
    'INSERT INTO transfers(amount) VALUES (DEFAULT)',
    `INSERT INTO transfers(amount) VALUES ('1e6')`,
    `INSERT INTO transfers(amount) VALUES ('0xF4240')`,
    `INSERT INTO transfers(amount) VALUES ('1_000_000')`,
    `INSERT INTO transfers(amount) VALUES (' 5 ')`,
    `INSERT INTO transfers(amount) VALUES ('NaN')`,
    'INSERT INTO transfers(amount) VALUES (1e6)',
    'INSERT INTO transfers(amount) VALUES (999999999999999999999999999_9)',
    'INSERT INTO transfers(amount) VALUES (250000.7::int)',
    'INSERT INTO transfers(amount) VALUES (250000::numeric(3))',
    `INSERT INTO transfers(amount) VALUES ('250000'::money::numeric)`,
    'UPDATE transfers SET amount = amount * 2',
    'UPDATE transfers SET (amount, status) = (SELECT 1, $1)',
    'COPY transfers(amount) FROM STDIN',
  ])('%s', async (sql) => {
    expect(await partOf(sql, 'amount')).toMatchObject({ values: null })
  })

  test.each([undefined, '1e6', '0x10', ' 5', 'Infinity', '1_0'])('a parameter bound to %j', async (bound) => {
    expect(await partOf('INSERT INTO transfers(amount) VALUES ($1)', 'amount', [bound])).toMatchObject({ values: null })
  })

  test('a parameter that was not bound', async () => {
    expect(await partOf('INSERT INTO transfers(amount) VALUES ($2)', 'amount', ['5'])).toMatchObject({ values: null })
  })

  test('an element of a column', async () => {
    const changed = await bankCatalog({
      relations: [['17001', 'public', 'lists', 'r', '17003', 'f', null]],
      columns: [['17001', '1', 'l', '1007', null]],
    })
    const statement = await normalizeOne(parser, changed, 'UPDATE lists SET l[1] = 5')
    expect(accessParts(statement, LABELS, []).resources[0]?.parts).toEqual([
      { name: 'l', labels: [], uses: ['written'], values: null },
    ])
  })
})

describe('values that stand in the statement', () => {
  test.each([
    ['INSERT INTO transfers(amount) VALUES (250000)', ['250000']],
    ['INSERT INTO transfers(amount) VALUES (-250000.50)', ['-250000.50']],
    [`INSERT INTO transfers(amount) VALUES ('250000.50')`, ['250000.50']],
    [`INSERT INTO transfers(amount) VALUES ('250000'::numeric)`, ['250000']],
    ['INSERT INTO transfers(amount) VALUES (250000::bigint)', ['250000']],
    ['INSERT INTO transfers(amount) VALUES (1), (2), (NULL)', ['1', '2', null]],
    ['INSERT INTO transfers VALUES (1, 10, 20, 0)', ['0']],
    ['UPDATE transfers SET (status, amount) = ($1, 7)', ['7']],
    ['UPDATE transfers SET amount = 7', ['7']],
    ['INSERT INTO transfers(id, amount) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET amount = 900', ['2', '900']],
    ['WITH a AS (INSERT INTO transfers(amount) VALUES (1)) INSERT INTO transfers(amount) VALUES (2)', ['1', '2']],
  ])('%s', async (sql, values) => {
    const part = await partOf(sql, 'amount')
    expect(new Set(part?.values)).toEqual(new Set(values))
    expect(part?.uses).toContain('written')
  })

  test.each([
    ['250000', ['250000']],
    [null, [null]],
    ['-1.5', ['-1.5']],
  ])('a parameter bound to %j', async (bound, values) => {
    expect(await partOf('INSERT INTO transfers(amount) VALUES ($1::numeric)', 'amount', [bound])).toMatchObject({
      values,
    })
  })

  test('text is taken as it is', async () => {
    expect(await partOf(`INSERT INTO transfers(status) VALUES (' 1e6 ')`, 'status')).toMatchObject({
      values: [' 1e6 '],
    })
  })

  test('one upsert that overwrites with the proposed row is not known', async () => {
    const sql =
      'INSERT INTO transfers(id, amount) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount'
    expect(await partOf(sql, 'amount')).toMatchObject({ values: null, uses: ['written'] })
  })
})

describe('what a write reaches', () => {
  test('a labelled column that flows into another leaves its mask behind', async () => {
    const statement = await normalizeOne(parser, catalog, 'UPDATE ONLY customers SET name = ssn RETURNING name')
    expect(usesOf(statement)).toEqual(['public.customers.name: output written', 'public.customers.ssn: derived'])
  })

  test.each([
    'INSERT INTO audit_log(event) SELECT ssn FROM ONLY customers',
    'INSERT INTO audit_log(event) VALUES ((SELECT ssn FROM ONLY customers LIMIT 1))',
    'UPDATE audit_log SET event = c.ssn FROM ONLY customers c WHERE c.id = audit_log.id',
    'UPDATE audit_log SET (actor, event) = (SELECT name, ssn FROM ONLY customers LIMIT 1)',
    'INSERT INTO audit_log(id, event) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET event = (SELECT ssn FROM ONLY customers)',
    'CREATE TABLE leak AS SELECT ssn FROM ONLY customers',
    'CREATE MATERIALIZED VIEW leak AS SELECT ssn FROM ONLY customers',
  ])('%s', async (sql) => {
    expect(usesOf(await normalizeOne(parser, catalog, sql))).toContain('public.customers.ssn: derived')
  })

  test.each([
    'UPDATE ONLY customers SET name = $1 WHERE ssn = $2',
    'DELETE FROM ONLY customers WHERE ssn = $1',
    'DELETE FROM accounts USING ONLY customers c WHERE c.ssn = account_number',
    'INSERT INTO customers(ssn) VALUES ($1) ON CONFLICT (ssn) DO NOTHING',
    'INSERT INTO customers(ssn) VALUES ($1) ON CONFLICT DO NOTHING',
    'INSERT INTO customers(ssn) VALUES ($1) ON CONFLICT ON CONSTRAINT customers_ssn_key DO NOTHING',
    'INSERT INTO customers(id) VALUES ($1) ON CONFLICT (id) WHERE ssn = $2 DO NOTHING',
    'INSERT INTO customers(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = $1 WHERE customers.ssn = $2',
  ])('%s: a predicate', async (sql) => {
    const use = usesOf(await normalizeOne(parser, catalog, sql)).find((each) => each.startsWith('public.customers.ssn'))
    expect(use).toMatch(/ predicate/)
  })

  test('a view hands a write on to its table', async () => {
    const statement = await normalizeOne(parser, catalog, 'UPDATE account_admin SET balance = 0')
    expect(usesOf(statement)).toEqual(['public.account_admin.balance: written', 'public.accounts.balance: written'])
  })

  test('children and partitions are written with their parent', async () => {
    const update = await normalizeOne(parser, catalog, 'UPDATE customers SET name = $1')
    expect(usesOf(update)).toEqual(['public.customers.name: written', 'public.vip_customers.name: written'])
    const insert = await normalizeOne(parser, catalog, 'INSERT INTO events(id) VALUES (1)')
    expect(usesOf(insert)).toEqual(['public.events.id: written', 'public.events_2026.id: written'])
    const plain = await normalizeOne(parser, catalog, 'INSERT INTO customers(id) VALUES (1)')
    expect(usesOf(plain)).toEqual(['public.customers.id: written'])
  })

  test('triggers that it sets off are told', async () => {
    const statement = await normalizeOne(parser, catalog, 'UPDATE accounts SET balance = 0')
    expect(statement.sideEffects).toEqual([audit])
    const view = await normalizeOne(parser, catalog, 'UPDATE account_admin SET balance = 0')
    expect(view.sideEffects).toEqual([audit])
    expect((await normalizeOne(parser, catalog, 'SELECT * FROM accounts')).sideEffects).toEqual([])
  })
})

const oid = (name: string): string => String(catalog.relation('public', name)?.oid)
const attnum = (relation: string, column: string): string =>
  String(catalog.relation('public', relation)?.columns.find(({ name }) => name === column)?.attnum)

/** `transfers` refers to `accounts`, and `accounts` to `customers`: by these actions. */
async function keyed(onDelete: string, onUpdate: string, more: readonly (readonly string[])[] = []): Promise<Catalog> {
  return bankCatalog({
    references: [
      [
        oid('accounts'),
        oid('transfers'),
        'of_account',
        onDelete,
        onUpdate,
        attnum('accounts', 'id'),
        attnum('transfers', 'from_account'),
      ],
      [
        oid('customers'),
        oid('accounts'),
        'of_customer',
        onDelete,
        onUpdate,
        attnum('customers', 'id'),
        attnum('accounts', 'customer_id'),
      ],
      ...more,
    ],
  })
}

const key = (on: string, name: string, does: string): object => ({ kind: 'foreign_key', on, name, does })
const audit = { kind: 'trigger', on: 'public.accounts', name: 'accounts_audit', does: 'bank.audit_trg' }

describe('what foreign keys do', () => {
  test('a deletion that cascades is told, all the way down, with the triggers it sets off, and its relations count as changed', async () => {
    const statement = await normalizeOne(parser, await keyed('c', 'a'), 'DELETE FROM customers WHERE id = 1')
    expect(statement.sideEffects).toEqual([
      key('public.accounts', 'of_customer', 'cascade'),
      audit,
      key('public.transfers', 'of_account', 'cascade'),
    ])
    expect(usesOf(statement)).toEqual(
      expect.arrayContaining(['public.accounts.customer_id: written', 'public.transfers.from_account: written']),
    )
  })

  test.each([
    ['DELETE FROM accounts', 'a', 'c', []],
    ['DELETE FROM accounts', 'n', 'a', ['set_null']],
    ['DELETE FROM accounts', 'd', 'a', ['set_default']],
    ['DELETE FROM account_admin', 'c', 'a', ['cascade']],
    ['UPDATE accounts SET balance = 0', 'c', 'c', []],
    ['UPDATE accounts SET id = 7', 'c', 'c', ['cascade']],
    ['UPDATE accounts SET id = 7', 'c', 'a', []],
    ['UPDATE account_admin SET id = 7', 'a', 'c', ['cascade']],
    ['INSERT INTO accounts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 7', 'a', 'c', ['cascade']],
    ['INSERT INTO accounts (id) VALUES (1)', 'c', 'c', []],
    ['MERGE INTO accounts a USING events e ON a.id = e.id WHEN MATCHED THEN DELETE', 'c', 'a', ['cascade']],
    ['MERGE INTO accounts a USING events e ON a.id = e.id WHEN MATCHED THEN UPDATE SET id = 7', 'c', 'n', ['set_null']],
    ['WITH gone AS (DELETE FROM accounts RETURNING id) SELECT count(*) FROM gone', 'c', 'a', ['cascade']],
  ])('%s, on delete %s, on update %s', async (sql, onDelete, onUpdate, wanted) => {
    const { sideEffects } = await normalizeOne(parser, await keyed(onDelete, onUpdate), sql)
    expect(sideEffects.filter(({ kind }) => kind === 'foreign_key').map(({ does }) => does)).toEqual(wanted)
  })

  test('a circle ends', async () => {
    const transfers = catalog.relation('public', 'transfers')
    const accounts = catalog.relation('public', 'accounts')
    const back = [String(transfers?.oid), String(accounts?.oid), 'back', 'c', 'a', '1', '1']
    const { sideEffects } = await normalizeOne(parser, await keyed('c', 'a', [back]), 'DELETE FROM transfers')
    expect(sideEffects.map(({ name }) => name)).toEqual(['back', 'accounts_audit', 'of_account'])
  })
})

describe('RETURNING', () => {
  test.each([
    ['DELETE FROM ONLY customers RETURNING ssn', ['ssn = copy of public.customers.ssn']],
    ['UPDATE ONLY customers SET id = 1 RETURNING old.ssn', ['ssn = copy of public.customers.ssn']],
    ['UPDATE ONLY customers SET id = 1 RETURNING WITH (OLD AS o) o.ssn', ['ssn = copy of public.customers.ssn']],
    ['INSERT INTO customers(id) VALUES (1) RETURNING new.ssn', ['ssn = copy of public.customers.ssn']],
    ['DELETE FROM accounts a USING ONLY customers c RETURNING c.ssn', ['ssn = copy of public.customers.ssn']],
    ['DELETE FROM transfers', null],
    ['INSERT INTO audit_log(event) VALUES (1)', null],
  ])('%s', async (sql, outputs) => {
    expect(outputsOf(await normalizeOne(parser, catalog, sql))).toEqual(outputs)
  })

  test('through WITH it is a query’s column like any other', async () => {
    const sql = 'WITH d AS (DELETE FROM ONLY customers RETURNING ssn AS s) SELECT s FROM d'
    expect(outputsOf(await normalizeOne(parser, catalog, sql))).toEqual(['s = copy of public.customers.ssn'])
  })
})

describe('what each parameter meets', () => {
  test.each([
    ['SELECT 1 FROM ONLY customers WHERE ssn = $1 AND id = $2', [['ssn predicate'], ['id predicate']]],
    ['SELECT 1 FROM ONLY customers WHERE upper($1) LIKE lower(ssn) LIMIT $2', [['ssn predicate'], []]],
    ['SELECT 1 FROM ONLY customers WHERE ssn IN ($1, $2)', [['ssn predicate'], ['ssn predicate']]],
    ['SELECT 1 FROM ONLY customers, (SELECT $1 AS x) q WHERE q.x = ssn', [['ssn predicate']]],
    ['SELECT ssn FROM ONLY customers UNION SELECT $1', [['ssn predicate']]],
    ['SELECT CASE ssn WHEN $1 THEN $2 END FROM ONLY customers', [['ssn predicate'], []]],
    ['INSERT INTO customers(id, ssn) VALUES ($2, $1)', [['ssn written'], ['id written']]],
    ['INSERT INTO customers(ssn) SELECT $1', [['ssn written']]],
    ['UPDATE ONLY customers SET ssn = $1', [['ssn written']]],
    ['SELECT $3', [[], [], []]],
  ])('%s', async (sql, expected) => {
    const { parameterUses } = await normalizeOne(parser, catalog, sql)
    const uses = parameterUses.map((each) =>
      each === 'unknown' ? each : each.map(({ part, use }) => `${part} ${use}`),
    )
    expect(uses).toEqual(expected)
  })
})

test('labels are those of the policy in force', async () => {
  const statement = await normalizeOne(parser, catalog, 'SELECT id, ssn FROM ONLY customers')
  expect(accessParts(statement, LABELS, [])).toEqual({
    resources: [
      {
        type: 'table',
        name: 'public.customers',
        labels: [],
        parts: [
          { name: 'id', labels: [], uses: ['output'] },
          { name: 'ssn', labels: ['pii'], uses: ['output'] },
        ],
      },
    ],
  })
})
