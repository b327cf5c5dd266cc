import { NormalizeError } from '../../../engine/index.ts'
import { CATALOG_QUERIES, type CatalogSection } from './catalog-queries.ts'

/** A connection of the gateway's own; answers one simple query with its rows in text form. */
export interface CatalogSource {
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>
}

export type CatalogRow = readonly (string | null)[]
export type CatalogRows = Readonly<Record<CatalogSection, readonly CatalogRow[]>>

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'
const BARE_PATH = `SET LOCAL search_path TO ''`

/** Every text that a look at the catalogue sends, and no other. */
export const CATALOG_TEXTS: readonly string[] = [
  BEGIN,
  BARE_PATH,
  ...Object.values(CATALOG_QUERIES),
  'COMMIT',
  'ROLLBACK',
]

/** Reads every section at one instant. The connection is left as it was, or in no transaction. */
export async function readCatalogRows(source: CatalogSource): Promise<CatalogRows> {
  await source.query(BEGIN)
  try {
    await source.query(BARE_PATH)
    const rows = await readSections((section) => source.query(CATALOG_QUERIES[section]))
    await source.query('COMMIT')
    return rows
  } catch (error) {
    await source.query('ROLLBACK').catch(() => null)
    throw error
  }
}

async function readSections(read: (section: CatalogSection) => Promise<readonly CatalogRow[]>): Promise<CatalogRows> {
  return {
    namespaces: await read('namespaces'),
    relations: await read('relations'),
    columns: await read('columns'),
    types: await read('types'),
    inherits: await read('inherits'),
    triggers: await read('triggers'),
    references: await read('references'),
    rules: await read('rules'),
    functions: await read('functions'),
    operators: await read('operators'),
    casts: await read('casts'),
  }
}

/** A cell that the catalogue never leaves null. */
export function cell(row: CatalogRow, index: number): string {
  const value = row[index]
  if (value === undefined || value === null) {
    throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', `the catalogue answered a row without column ${index + 1}`)
  }
  return value
}

export function numberCell(row: CatalogRow, index: number): number {
  const value = Number(cell(row, index))
  if (!Number.isSafeInteger(value)) {
    throw new NormalizeError('ERR_NORMALIZE_UNRESOLVED', `the catalogue answered no number in column ${index + 1}`)
  }
  return value
}

export function booleanCell(row: CatalogRow, index: number): boolean {
  return cell(row, index) === 't'
}
