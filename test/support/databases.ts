import type { PostgresAddress } from '../../engine/evidence/index.ts'
import { asSuperuser, startPostgres, type PostgresOptions, type PostgresServer } from './postgres.ts'

/** Databases of their own, as many as a test file wants, on one server. */
export interface Databases extends AsyncDisposable {
  readonly server: PostgresServer
  /** A new, empty database. */
  create(): Promise<PostgresAddress>
  /** Runs SQL in a database, past everything. */
  sql(address: PostgresAddress, text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
}

export async function startDatabases(options: PostgresOptions = {}): Promise<Databases> {
  const server = await startPostgres({ bank: false, ...options })
  let count = 0
  return {
    server,
    create: async () => {
      const database = `evidence_${(count += 1)}`
      await asSuperuser(server, 'postgres', `CREATE DATABASE ${database}`)
      return addressOf(server, database)
    },
    sql: async ({ database }, text) => {
      const { rows }: { rows: Record<string, unknown>[] } = await asSuperuser(server, database, text)
      return rows
    },
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** As the superuser, plain: the line never leaves this machine. */
export function addressOf({ host, port, user, password }: PostgresServer, database: string): PostgresAddress {
  return { host, port, user, password, database, tls: null }
}
