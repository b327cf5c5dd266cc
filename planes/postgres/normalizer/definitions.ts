import type { Node } from 'libpg-query'
import type { CatalogRow, CatalogRows } from './catalog-rows.ts'
import { PgQuery } from './pg-query.ts'
import { parseScript, statementsOf } from './script.ts'

/** A view's SELECT, or a generated column's expression in one. */
export type Definition = Node | 'unreadable'
/** By text. */
export type Definitions = ReadonlyMap<string, Definition>

/**
 * Parses what the catalogue holds as text, where it wasn't parsed `before`. One that can't be parsed is kept as
 * `unreadable`, so that using it is refused; it spoils no other.
 */
export async function parseDefinitions(rows: CatalogRows, before?: Definitions): Promise<Definitions> {
  const definitions = new Map<string, Definition>()
  let query: PgQuery | null = null
  for (const sql of texts(rows)) {
    const known = definitions.get(sql) ?? before?.get(sql)
    if (known !== undefined) {
      definitions.set(sql, known)
      continue
    }
    query ??= await PgQuery.open()
    const parsed = parseOne(query, sql)
    definitions.set(sql, parsed)
    if (parsed === 'unreadable') query = null
  }
  return definitions
}

/** Null where there is no text. */
export function definitionIn(definitions: Definitions, text: string | null | undefined): Definition | null {
  return text === null || text === undefined ? null : (definitions.get(text) ?? 'unreadable')
}

/** The expression of a generated column, as a statement. */
export function generationOf(column: CatalogRow): string | null {
  const expression = column[4]
  return typeof expression === 'string' ? `SELECT ${expression}` : null
}

function* texts(rows: CatalogRows): Generator<string> {
  for (const [, , , , , , view] of rows.relations) if (typeof view === 'string') yield view
  for (const column of rows.columns) {
    const expression = generationOf(column)
    if (expression !== null) yield expression
  }
}

function parseOne(query: PgQuery, sql: string): Definition {
  try {
    const [statement, ...others] = statementsOf(sql, parseScript(query, sql))
    return statement === undefined || others.length > 0 ? 'unreadable' : statement.node
  } catch {
    return 'unreadable'
  }
}
