import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NormalizeError } from '../../../engine/index.ts'
import { type Catalog, type NormalizedStatement, SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../golden/postgres/bank-catalog.ts'
import { normalizeAll, normalizeOne } from '../../golden/postgres/statements.ts'
import { anyQuery } from './queries.ts'

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

const RUNS = { numRuns: 250 }

const name = (sql: string): Promise<NormalizedStatement> => normalizeOne(parser, catalog, sql)

/** Result column by result column: what it is made of. */
function sourcesOf({ outputs }: NormalizedStatement): readonly (readonly string[])[] {
  return (outputs ?? []).map(({ sources }) =>
    sources.map(({ resource, part }) => `${resource}.${part}`).toSorted(byText),
  )
}

function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other)
}

/** Every column with every use that a mask could not follow. */
function exposures({ resources }: NormalizedStatement): ReadonlySet<string> {
  return new Set(
    resources.flatMap(({ name: resource, parts }) =>
      parts.flatMap(({ name: part, uses }) =>
        uses.filter((use) => use !== 'output').map((use) => `${resource}.${part} ${use}`),
      ),
    ),
  )
}

describe('wrapping a query loses none of what its columns are made of', () => {
  const WRAPPERS: readonly (readonly [name: string, wrap: (sql: string) => string])[] = [
    ['parentheses', (sql) => `((${sql}))`],
    ['a sub-query', (sql) => `SELECT * FROM (${sql}) q`],
    ['LATERAL', (sql) => `SELECT q.* FROM accounts outside, LATERAL (${sql}) q`],
    ['WITH', (sql) => `WITH customers AS (${sql}) SELECT * FROM customers`],
    ['WITH RECURSIVE', (sql) => `WITH RECURSIVE q AS (${sql}), unused AS (SELECT 1) TABLE q`],
    ['a join', (sql) => `SELECT j.* FROM ((${sql}) q CROSS JOIN (SELECT) nothing) j`],
    ['UNION ALL with itself', (sql) => `(${sql}) UNION ALL (${sql})`],
    ['two levels of renaming', (sql) => `SELECT z.* FROM (SELECT * FROM (${sql}) x) z`],
  ]

  test.each(WRAPPERS)('%s', async (_, wrap) => {
    await fc.assert(
      fc.asyncProperty(anyQuery, async (query) => {
        const bare = await name(query)
        const wrapped = await name(wrap(query))
        expect(sourcesOf(wrapped)).toEqual(sourcesOf(bare))
        expect([...exposures(wrapped)]).toEqual(expect.arrayContaining([...exposures(bare)]))
        for (const { name: resource } of bare.resources) {
          expect(wrapped.resources.map((each) => each.name)).toContain(resource)
        }
      }),
      RUNS,
    )
  })
})

test('a result column is a copy, a derivation that is recorded as one, or made of nothing', async () => {
  expect.hasAssertions()
  await fc.assert(
    fc.asyncProperty(anyQuery, async (query) => {
      const statement = await name(query)
      const derived = (statement.outputs ?? []).filter(({ copy }) => !copy).flatMap(({ sources }) => sources)
      const wanted = derived.map(({ resource, part }) => `${resource}.${part} derived`)
      expect([...exposures(statement)]).toEqual(expect.arrayContaining(wanted))
    }),
    RUNS,
  )
})

test('a condition on a column is a predicate on it, wherever the query stands', async () => {
  await fc.assert(
    fc.asyncProperty(anyQuery, fc.constantFrom('ssn', 'email', 'dob'), async (query, column) => {
      const sql = `SELECT * FROM (${query}) q WHERE EXISTS (SELECT FROM ONLY customers c WHERE c.${column} IS NOT NULL)`
      expect(exposures(await name(sql))).toContain(`public.customers.${column} predicate`)
    }),
    RUNS,
  )
})

test('a call to what is not on the list makes the query opaque and of the strictest class, wherever it stands', async () => {
  await fc.assert(
    fc.asyncProperty(anyQuery, fc.nat(2), async (query, place) => {
      const forms = [
        `SELECT bank.close_account(1), q.* FROM (${query}) q`,
        `SELECT * FROM (${query}) q ORDER BY bank.close_account(1)`,
        `WITH unused AS (SELECT bank.close_account(1)) SELECT * FROM (${query}) q`,
      ]
      const { action, effectFree, planned, opaque } = await name(forms[place] ?? '')
      expect([action.class, effectFree, planned]).toEqual(['control', false, null])
      expect(opaque.map(({ what }) => what)).toContain('function bank.close_account')
    }),
    RUNS,
  )
})

test('whatever text it gets, it names statements or refuses them, and never fails otherwise', async () => {
  const word = fc.constantFrom(
    ...`SELECT FROM WHERE customers ssn * , ( ) = 'x' 1 $1 :: text JOIN ON USING ( id ) LATERAL WITH AS UNION ALL VALUES
    ORDER BY LIMIT . c row ROW NULL CASE WHEN THEN END IN EXISTS ARRAY [ ] UPDATE SET DELETE INSERT INTO RETURNING old new ;
    excluded ON CONFLICT DO NOTHING COPY TO STDOUT DROP TABLE EXPLAIN`.split(/\s+/),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 14 }), async (words) => {
      const failure = await normalizeAll(parser, catalog, words.join(' ')).catch((error: unknown) => error)
      expect(Array.isArray(failure) || failure instanceof NormalizeError).toBe(true)
    }),
    { numRuns: 1500 },
  )
})
