import { chmodSync, closeSync, openSync } from 'node:fs'
import { Kysely, SqliteDialect } from 'kysely'
import { StateError } from '../errors.ts'
import { migrate } from './migrate.ts'
import { openSqlite } from './sqlite.ts'
import type { Tables } from './tables.ts'

/**
 * What the gateway keeps besides evidence. It holds nothing that could not be rebuilt from the evidence log. Queries and
 * migrations keep to what SQLite and PostgreSQL both speak.
 */
export type Database = Kysely<Tables>

/**
 * Opens the embedded store at `path` (`:memory:` for tests) and brings it to this version's schema. Whoever opens it
 * destroys it. Throws StateError: ERR_STATE_OPEN, ERR_STATE_MIGRATION.
 */
export async function openDatabase(path: string): Promise<Database> {
  const database = new Kysely<Tables>({ dialect: new SqliteDialect({ database: open(path) }) })
  try {
    await migrate(database)
  } catch (error) {
    await database.destroy()
    if (error instanceof StateError) throw error
    const message = `the state database ${path} can't be brought to this version's schema: ${reason(error)}`
    throw new StateError('ERR_STATE_MIGRATION', message, { cause: error })
  }
  return database
}

function open(path: string): ReturnType<typeof openSqlite> {
  try {
    if (path !== ':memory:') createPrivate(path)
    return openSqlite(path)
  } catch (error) {
    const message = `the state database ${path} can't be opened: ${reason(error)}; it must be a writable SQLite file on a local disk`
    throw new StateError('ERR_STATE_OPEN', message, { cause: error })
  }
}

/** Statements that wait for an answer are in it: nobody else's to read, and SQLite gives its side files the same mode. */
function createPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
