import { hash } from 'node:crypto'
import { NormalizeError } from '../../../engine/index.ts'
import {
  BUILTIN_QUERIES,
  BUILTIN_STATE,
  type BuiltinSection,
  CATALOG_QUERIES,
  type CatalogSection,
} from './catalog-queries.ts'

/** A connection of the gateway's own; answers one simple query with its rows in text form. */
export interface CatalogSource {
  query(sql: string): Promise<readonly (readonly (string | null)[])[]>
}

export type CatalogRow = readonly (string | null)[]
export type CatalogRows = Readonly<Record<CatalogSection, readonly CatalogRow[]>>
type BuiltinRows = Readonly<Record<BuiltinSection, readonly CatalogRow[]>>

/** What came with the server: as it was read, as long as its `state` is the same. */
export interface Builtin {
  readonly state: string
  readonly rows: BuiltinRows
  readonly digest: string
}

/** The catalogue of one instant. */
export interface CatalogSnapshot {
  readonly rows: CatalogRows
  readonly builtin: Builtin
  /** SHA-256 (hex) over all of it. */
  readonly version: string
}

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'
const BARE_PATH = `SET LOCAL search_path TO ''`

/** Every text that a look at the catalogue sends, and no other. */
export const CATALOG_TEXTS: readonly string[] = [
  BEGIN,
  BARE_PATH,
  BUILTIN_STATE,
  ...Object.values(BUILTIN_QUERIES),
  ...Object.values(CATALOG_QUERIES),
  'COMMIT',
  'ROLLBACK',
]

/**
 * Reads every section at one instant; what came with the server only where it isn't what was read `before`. The
 * connection is left as it was, or in no transaction.
 */
export async function readCatalog(source: CatalogSource, before: Builtin | null): Promise<CatalogSnapshot> {
  await source.query(BEGIN)
  try {
    await source.query(BARE_PATH)
    const state = JSON.stringify(await source.query(BUILTIN_STATE))
    const builtin = before?.state === state ? before : await readBuiltin(source, state)
    const users = await readSections((section) => source.query(CATALOG_QUERIES[section]))
    await source.query('COMMIT')
    return { rows: joined(builtin.rows, users), builtin, version: hash('sha256', builtin.digest + digest(users)) }
  } catch (error) {
    await source.query('ROLLBACK').catch(() => null)
    throw error
  }
}

async function readBuiltin(source: CatalogSource, state: string): Promise<Builtin> {
  const rows = await readBuiltinSections((section) => source.query(BUILTIN_QUERIES[section]))
  return { state, rows, digest: digest(rows) }
}

async function readSections(read: (section: CatalogSection) => Promise<readonly CatalogRow[]>): Promise<CatalogRows> {
  return {
    namespaces: await read('namespaces'),
    inherits: await read('inherits'),
    triggers: await read('triggers'),
    references: await read('references'),
    rules: await read('rules'),
    casts: await read('casts'),
    ...(await readBuiltinSections(read)),
  }
}

async function readBuiltinSections(
  read: (section: BuiltinSection) => Promise<readonly CatalogRow[]>,
): Promise<BuiltinRows> {
  return {
    relations: await read('relations'),
    columns: await read('columns'),
    types: await read('types'),
    functions: await read('functions'),
    operators: await read('operators'),
  }
}

function joined(builtin: BuiltinRows, users: CatalogRows): CatalogRows {
  return {
    ...users,
    relations: [...builtin.relations, ...users.relations],
    columns: [...builtin.columns, ...users.columns],
    types: [...builtin.types, ...users.types],
    functions: [...builtin.functions, ...users.functions],
    operators: [...builtin.operators, ...users.operators],
  }
}

function digest(rows: BuiltinRows): string {
  return hash('sha256', JSON.stringify(rows))
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
