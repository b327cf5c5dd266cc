import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Catalog, SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from './bank-catalog.ts'
import { normalizeOne } from './statements.ts'

interface ClientQuery {
  readonly from: string
  readonly columns: readonly string[]
  readonly sql: string
}

/** The recording's entries: two comment lines, then the query. */
const QUERIES: readonly ClientQuery[] = readFileSync(new URL('client-queries.sql', import.meta.url), 'utf8')
  .split(/\n\n(?=-- )/)
  .slice(1)
  .map((entry) => {
    const [from = '', columns = '', ...sql] = entry.trimEnd().split('\n')
    const names = [...columns.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([name]): string => JSON.parse(name))
    return { from: from.slice(3), columns: names, sql: sql.join('\n') }
  })

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

test('the recording is whole', () => {
  expect(QUERIES.length).toBeGreaterThan(100)
})

test.each(QUERIES.map((query) => [query.from, query] as const))('%s', async (_, { sql, columns }) => {
  const statement = await normalizeOne(parser, catalog, sql)
  expect(statement.kind).toBe('select')
  expect(statement.action.class).toBe(statement.resources.length === 0 ? 'read' : 'discover')
  expect(statement.outputs?.map(({ name }) => name)).toEqual(columns)
  for (const { name } of statement.resources) expect(name).toMatch(/^(?:pg_catalog|information_schema)\./)
})
