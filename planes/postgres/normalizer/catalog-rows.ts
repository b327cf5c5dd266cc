import { NormalizeError } from '../../../engine/index.ts'
import { CATALOG_QUERIES, CATALOG_SECTIONS, type CatalogSection } from './catalog-queries.ts'

/** A connection of the gateway's own; answers one simple query with its rows in text form. */
export interface CatalogSource {
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>
}

export type CatalogRow = readonly (string | null)[]
export type CatalogRows = Readonly<Record<CatalogSection, readonly CatalogRow[]>>

/** Reads every section at one instant. The connection is left as it was, or in no transaction. */
export async function readCatalogRows(source: CatalogSource): Promise<CatalogRows> {
  await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    await source.query(`SET LOCAL search_path TO ''`)
    const rows: Partial<Record<CatalogSection, readonly CatalogRow[]>> = {}
    for (const section of CATALOG_SECTIONS) rows[section] = await source.query(CATALOG_QUERIES[section])
    await source.query('COMMIT')
    return rows as CatalogRows
  } catch (error) {
    await source.query('ROLLBACK').catch(() => null)
    throw error
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
