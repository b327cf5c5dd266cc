import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Catalog,
  integersDecideNothing,
  normalizeStatement,
  SqlParser,
  withoutIntegers,
} from '../../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../../golden/postgres/bank-catalog.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

const NAMES = { database: 'bank', user: 'gateway', prepared: () => undefined, cursor: () => undefined }

async function named(sql: string) {
  const [parsed, ...others] = await parser.parse(sql)
  if (parsed === undefined || others.length > 0) throw new Error(`one statement was expected: ${sql}`)
  const statement = normalizeStatement(parsed, catalog, NAMES)
  // What the server plans is each text's own: CatalogSource puts it in.
  return { statement: { ...statement, planned: null }, shared: integersDecideNothing(sql, parsed, statement) }
}

/** Each `?` is an integer. */
const SHARED = [
  'SELECT id, name FROM customers WHERE id = ?',
  'SELECT ssn FROM customers WHERE id=? AND id <> ?;',
  'select balance + ? from accounts where (id * ?) > ? and customer_id in (select id from customers where id < ?)',
  'SELECT name FROM customers WHERE id = 1 OR id = ?\n',
  'SELECT 1 + ?',
]

describe('texts that are alike but for integers', () => {
  test.for(SHARED)('mean the same: %s', async (template) => {
    const integer = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 999_999_999 })).map(String)
    const wanted = await named(template.replaceAll('?', '1'))
    expect(wanted.shared).toBe(true)
    await fc.assert(
      fc.asyncProperty(fc.array(integer, { minLength: 8, maxLength: 8 }), async (values) => {
        const rest = [...values]
        const sql = template.replaceAll('?', () => rest.pop() ?? '0')
        expect(withoutIntegers(sql)).toBe(withoutIntegers(template.replaceAll('?', '1')))
        expect(await named(sql)).toEqual(wanted)
      }),
      { numRuns: 40 },
    )
  })

  test.for([
    ['a place in ORDER BY', 'SELECT id, ssn FROM customers ORDER BY 2'],
    ['a place in GROUP BY', 'SELECT name, count(id) FROM customers GROUP BY 1'],
    ['a limit', 'SELECT id FROM customers LIMIT 5'],
    ['an output of its own', 'SELECT 5'],
    ['what a function gets', 'SELECT repeat(name, 3) FROM customers'],
    ['what a cast gets', 'SELECT CAST(5 AS text)'],
    ['a modifier, which names another type for some', 'SELECT CAST(id AS float(24)) FROM customers WHERE id = 1'],
    ['one of a list', 'SELECT id FROM customers WHERE id IN (1, 2)'],
    ['behind a minus', 'SELECT id FROM customers WHERE id = -5'],
    ['what is written', 'UPDATE accounts SET balance = balance + 5 WHERE id = 1'],
    ['what is inserted', 'INSERT INTO audit_log SELECT 1 + 1'],
    ['what has an effect', 'DELETE FROM transfers WHERE id = 7'],
  ] as const)('are named each by itself where an integer is %s', async ([, sql]) => {
    const read = await named(sql).catch(() => null) // what can't be named at all is not shared either
    expect(read?.shared ?? false).toBe(false)
  })

  test.for([
    ['a string', "SELECT id FROM customers WHERE name = 'a 1'"],
    ['a quoted name', 'SELECT id FROM "customers" WHERE id = 1'],
    ['a comment', 'SELECT id FROM customers -- 1'],
    ['another comment', 'SELECT id /* 1 */ FROM customers'],
    ['a parameter', 'SELECT id FROM customers WHERE id = $1'],
    ['an array', 'SELECT id FROM customers WHERE id = ARRAY[1]'],
    ['a character beyond ASCII', 'SELECT id FROM customers WHERE id\u00a0= 1'],
    ['a mark like the one that takes the place of integers', 'SELECT id FROM customers WHERE id = ?'],
    ['too much', `SELECT id FROM customers WHERE id = 1${' AND id = 1'.repeat(300)}`],
  ] as const)('are not looked for in a text with %s', ([, sql]) => {
    expect(withoutIntegers(sql)).toBeNull()
  })

  test('keep every number that is no plain int4, so that only the very same is alike', () => {
    for (const number of ['1000000000', '2147483648', '1.5', '.5', '5.', '1e5', '0x1F', '1_000', 'a1', '007.2']) {
      expect(withoutIntegers(`SELECT ${number} + 1`)).toBe(`SELECT ${number} + ?`)
    }
  })
})
