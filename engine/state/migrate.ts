import { sql, type Kysely } from 'kysely'
import { StateError } from '../errors.ts'
import { migrations } from './migrations/index.ts'
import type { Tables } from './tables.ts'

interface MigrationTables extends Tables {
  readonly schema_migrations: { readonly number: number }
}

const LOCK = sql`select pg_advisory_lock(hashtextextended('countersign/state/schema', 0))`
const UNLOCK = sql`select pg_advisory_unlock(hashtextextended('countersign/state/schema', 0))`

/**
 * Runs the migrations that this database hasn't seen, each in a transaction of its own. Forward only: a database that a
 * later version has migrated is refused, ERR_STATE_MIGRATION. `advisory`: gateways that start at once take turns.
 */
export async function migrate(database: Kysely<Tables>, lock: 'none' | 'advisory'): Promise<void> {
  await database.connection().execute(async (connection) => {
    if (lock === 'advisory') await LOCK.execute(connection)
    try {
      await migrateWithin(connection)
    } finally {
      if (lock === 'advisory') await UNLOCK.execute(connection)
    }
  })
}

async function migrateWithin(database: Kysely<Tables>): Promise<void> {
  const typed = database.withTables<Pick<MigrationTables, 'schema_migrations'>>()
  await typed.schema
    .createTable('schema_migrations')
    .ifNotExists()
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .execute()
  const done = await typed.selectFrom('schema_migrations').select('number').execute()
  const last = Math.max(0, ...done.map((row) => row.number))
  if (last > migrations.length) {
    const message = `the state database is at schema ${last}, this version knows ${migrations.length}: run the version that wrote it, or a later one`
    throw new StateError('ERR_STATE_MIGRATION', message)
  }
  for (const [index, up] of migrations.entries()) {
    if (index < last) continue
    await typed.transaction().execute(async (transaction) => {
      await up(transaction)
      await transaction
        .insertInto('schema_migrations')
        .values({ number: index + 1 })
        .execute()
    })
  }
}
