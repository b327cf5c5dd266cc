import { chmodSync, closeSync, openSync } from 'node:fs'
import { Kysely, SqliteDialect, type Dialect } from 'kysely'
import { StateError } from '../errors.ts'
import { migrate } from './migrate.ts'
import { postgresDialect, type PostgresPlace } from './postgres.ts'
import { openSqlite } from './sqlite.ts'
import type { Tables } from './tables.ts'

/**
 * What the gateway keeps besides evidence. It holds nothing that could not be rebuilt from the evidence log. Queries and
 * migrations keep to what SQLite and PostgreSQL both speak.
 */
export type Database = Kysely<Tables>

/**
 * Opens the embedded store at a path (`:memory:` for tests), or one that several gateways share at a PostgreSQL server,
 * and brings it to this version's schema. Whoever opens it destroys it. Throws StateError: ERR_STATE_OPEN,
 * ERR_STATE_MIGRATION.
 */
export async function openDatabase(place: string | PostgresPlace): Promise<Database> {
  if (typeof place === 'string') return migrated(new SqliteDialect({ database: open(place) }), place, 'none')
  const { host, port, database } = place
  return migrated(postgresDialect(place), `postgres://${host}:${port}/${database}`, 'advisory')
}

async function migrated(dialect: Dialect, place: string, lock: 'none' | 'advisory'): Promise<Database> {
  const database = new Kysely<Tables>({ dialect })
  try {
    await migrate(database, lock)
    return database
  } catch (error) {
    await database.destroy()
    if (error instanceof StateError) throw error
    const code = isUnreachable(error) ? 'ERR_STATE_OPEN' : 'ERR_STATE_MIGRATION'
    const message = `the state database ${place} can't be ${code === 'ERR_STATE_OPEN' ? 'reached' : "brought to this version's schema"}: ${reason(error)}`
    throw new StateError(code, message, { cause: error })
  }
}

// The operating system's words for a peer that isn't there, the driver's for one that doesn't answer, and the server's
// for a role or a database that it doesn't let in (SQLSTATE class 08, 28, 3D).
function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(?:E[A-Z]+|08...|28...|3D...|57P03)$/.test(code) || /timeout|terminated|SSL|certificate/i.test(reason(error))
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
