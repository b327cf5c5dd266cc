import { checkServerIdentity } from 'node:tls'
import { CompiledQuery, PostgresDialect } from 'kysely'
import { Pool, types, type ClientConfig } from 'pg'

/** A PostgreSQL database, and who is to be there. */
export interface PostgresPlace {
  /** A name, an address, or the directory of a Unix socket (begins with `/`). */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** null: the server is expected to ask for none. */
  readonly password: string | null
  /** null: plain. `ca`: PEM, null for the system's. `serverName`: what the certificate must bear, null for `host`. */
  readonly tls: { readonly ca: string | null; readonly serverName: string | null } | null
}

/** Approvals come at the pace of people: a few connections serve a gateway. */
const CONNECTIONS = 4
const CONNECT_MS = 10_000
const STATEMENT_MS = 30_000
/** The type of `bigint`: times in milliseconds and counts, all below 2^53. */
const INT8 = types.builtins.INT8

/** A pool in the shape of kysely's dialect. A commit is on the server's disk before it is told. */
export function postgresDialect({ host, port, database, user, password, tls }: PostgresPlace): PostgresDialect {
  const pool = new Pool({
    host,
    port,
    database,
    user,
    ...(password === null ? {} : { password }),
    ssl: tls === null ? false : sslOf(tls, host),
    max: CONNECTIONS,
    application_name: 'countersign state',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    keepAlive: true,
    types: { getTypeParser: (type, format) => (type === INT8 ? Number : types.getTypeParser(type, format)) },
  })
  // A connection that was lost, idle or in the middle of a question: the question fails, the next opens another.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => void client.on('error', () => undefined))
  return new PostgresDialect({
    pool,
    onCreateConnection: async (connection) => {
      await connection.executeQuery(DURABLE)
    },
  })
}

// A role's or a database's weaker default doesn't hold here.
const DURABLE = CompiledQuery.raw(`SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')`)

function sslOf({ ca, serverName }: NonNullable<PostgresPlace['tls']>, host: string): NonNullable<ClientConfig['ssl']> {
  const name = serverName ?? host
  return {
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(ca === null ? {} : { ca }),
  }
}
