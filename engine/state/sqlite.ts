import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { SqliteDatabase, SqliteStatement } from 'kysely'

const BUSY_TIMEOUT_MS = 5_000

/**
 * node:sqlite in the shape that kysely's SQLite dialect asks for. With WAL and synchronous=FULL a committed change is on
 * disk when the call returns; a process killed in the middle leaves the state before it.
 */
export function openSqlite(path: string): SqliteDatabase {
  const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, defensive: true })
  try {
    connection.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
  } catch (error) {
    connection.close()
    throw error
  }
  return {
    close: () => connection.close(),
    prepare: (sql) => prepare(connection, sql),
  }
}

function prepare(connection: DatabaseSync, sql: string): SqliteStatement {
  const statement = connection.prepare(sql)
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(inputValue)),
    run: (parameters) => statement.run(...parameters.map(inputValue)),
    iterate: (parameters) => statement.iterate(...parameters.map(inputValue)),
  }
}

function inputValue(value: unknown): SQLInputValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') return value
  if (value === null || value instanceof Uint8Array) return value
  throw new TypeError(`SQLite takes no ${typeof value} as a parameter`)
}
