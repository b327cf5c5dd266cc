import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import sqlParser from 'node-sql-parser'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NormalizeError } from '../../../engine/index.ts'
import { type Catalog, SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { bankCatalog } from '../../golden/postgres/bank-catalog.ts'
import { normalizeAll } from '../../golden/postgres/statements.ts'
import { anyQuery } from './queries.ts'

/** Somebody else's reading of SQL, held against ours. It drops tables, so it is a check of ours, never a second opinion on a request. */
const other = new sqlParser.Parser()

let parser: SqlParser
let catalog: Catalog

beforeAll(async () => {
  parser = await SqlParser.open()
  catalog = await bankCatalog()
})
afterAll(() => parser.close())

interface Seen {
  readonly action: string
  readonly schema: string
  readonly table: string
}

/** The tables that the other parser finds, each with what is done to it; null where it takes the text for no SQL. */
function seenByOther(sql: string): readonly Seen[] | null {
  try {
    return other.tableList(sql, { database: 'postgresql' }).map((entry) => {
      const [action = '', schema = '', table = ''] = entry.split('::')
      return { action, schema: schema === 'null' ? 'public' : schema, table }
    })
  } catch {
    return null
  }
}

/** What the other parser sees and ours names nowhere; null where one of them doesn't take the text, or ours can't see into it. */
async function missed(sql: string): Promise<readonly string[] | null> {
  const seen = seenByOther(sql)
  if (seen === null) return null
  let named
  try {
    named = await normalizeAll(parser, catalog, sql)
  } catch (error) {
    if (error instanceof NormalizeError) return null
    throw error
  }
  if (named.some(({ opaque }) => opaque.length > 0)) return null
  const ours = new Set(named.flatMap(({ resources }) => resources.map(({ name }) => name)))
  const written = new Set(
    named.flatMap(({ resources, action }) =>
      resources
        .filter(({ parts }) => action.class !== 'read' || parts.some(({ uses }) => uses.includes('written')))
        .map(({ name }) => name),
    ),
  )
  return seen.flatMap(({ action, schema, table }) => {
    const name = `${schema}.${table}`
    if (catalog.relation(schema, table) === undefined) return [] // its own names: of CTEs, of functions
    if (!ours.has(name)) return [name]
    return action === 'select' || written.has(name) ? [] : [`${name}, to ${action}`]
  })
}

test('every table that another parser sees in a query is among ours', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(anyQuery, async (sql) => {
      const names = await missed(sql)
      if (names !== null) compared += 1
      expect(names ?? []).toEqual([])
    }),
    { numRuns: 400 },
  )
  expect(compared).toBeGreaterThan(100)
})

const WRITES: readonly ((query: string) => string)[] = [
  (query) => `DELETE FROM transfers WHERE id IN (SELECT 1 FROM (${query}) q)`,
  (query) => `UPDATE accounts SET balance = 0 WHERE EXISTS (SELECT 1 FROM (${query}) q)`,
  (query) => `INSERT INTO events SELECT 1 FROM (${query}) q`,
  (query) => `INSERT INTO audit_log (id) SELECT 1 FROM (${query}) q`,
  (query) => `SELECT * FROM transfers t LEFT JOIN (${query}) q ON true WHERE t.id > 1`,
]

test('and what a statement writes is among what ours writes', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(anyQuery, fc.constantFrom(...WRITES), async (query, write) => {
      const names = await missed(write(query))
      if (names !== null) compared += 1
      expect(names ?? []).toEqual([])
    }),
    { numRuns: 300 },
  )
  expect(compared).toBeGreaterThan(50)
})

test('nor do the statements that try to get past hide a table from ours that the other one sees', async () => {
  const texts = readFileSync(new URL('../../fixtures/evasions.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const evasions: readonly { readonly id: string; readonly sql: string }[] = texts.map((line) => JSON.parse(line))
  const found: string[] = []
  let compared = 0
  for (const { id, sql } of evasions) {
    const names = await missed(sql)
    if (names === null) continue
    compared += 1
    found.push(...names.map((name) => `${id}: ${name}`))
  }
  expect(found).toEqual([])
  expect(compared).toBeGreaterThan(20)
})
