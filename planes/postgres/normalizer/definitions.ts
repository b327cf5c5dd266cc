import type { Node } from 'libpg-query'
import { cell, type CatalogRows } from './catalog-rows.ts'
import { PgQuery } from './pg-query.ts'
import { parseScript, statementsOf } from './script.ts'

/**
 * Parses what the catalogue holds as text: views (keyed by OID) and generated columns (`oid.attnum`). One that can't be
 * parsed is kept as `unreadable`, so that using it is refused; it spoils no other.
 */
export async function parseDefinitions(rows: CatalogRows): Promise<ReadonlyMap<string, Node | 'unreadable'>> {
  const definitions = new Map<string, Node | 'unreadable'>()
  let query = await PgQuery.open()
  for (const [key, sql] of texts(rows)) {
    const parsed = parseOne(query, sql)
    definitions.set(key, parsed)
    if (parsed === 'unreadable') query = await PgQuery.open()
  }
  return definitions
}

function* texts(rows: CatalogRows): Generator<readonly [key: string, sql: string]> {
  for (const row of rows.relations) {
    const view = row[6]
    if (typeof view === 'string') yield [cell(row, 0), view]
  }
  for (const row of rows.columns) {
    const expression = row[4]
    if (typeof expression === 'string') yield [`${cell(row, 0)}.${cell(row, 1)}`, `SELECT ${expression}`]
  }
}

function parseOne(query: PgQuery, sql: string): Node | 'unreadable' {
  try {
    const [statement, ...others] = statementsOf(sql, parseScript(query, sql))
    return statement === undefined || others.length > 0 ? 'unreadable' : statement.node
  } catch {
    return 'unreadable'
  }
}
