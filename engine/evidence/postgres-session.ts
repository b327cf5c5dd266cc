import { checkServerIdentity } from 'node:tls'
import { Client, type ClientConfig } from 'pg'

/** A PostgreSQL database, and who is to be there. */
export interface PostgresAddress {
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

export type Row = Readonly<Record<string, unknown>>

/** One connection, and one only: what is lost with it (locks, an open transaction) is lost for good. */
export interface PostgresSession {
  /** Where a statement has a name, the server prepares it once. */
  query(text: string, values?: readonly unknown[], name?: string): Promise<readonly Row[]>
  /** Ends it at once, in the middle of a statement too. */
  close(): Promise<void>
}

export type Connect = (address: PostgresAddress) => Promise<PostgresSession>

const CONNECT_MS = 10_000
/** A statement that takes longer is given up, and its session with it: nobody may wait for ever on a server that is gone. */
const STATEMENT_MS = 60_000
const KEEPALIVE_MS = 5000

/**
 * What every session of ours has. A commit is on the server's disk (and its synchronous standbys') before it is told: a
 * role's or a database's weaker default doesn't hold here. The server looks after a silent peer within 20 seconds, so
 * that the locks of a gateway whose machine is gone don't outlive it by hours.
 */
const SETTINGS = `SELECT set_config('synchronous_commit', 'on', false)
  WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
SELECT set_config(name, value, false) FROM (VALUES ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '5'),
  ('tcp_keepalives_count', '3'), ('idle_in_transaction_session_timeout', '60000'), ('statement_timeout', '0'),
  ('lock_timeout', '0'), ('standard_conforming_strings', 'on')) AS setting (name, value)`

/** Opens one. Throws as the driver does. */
export async function openPostgresSession(address: PostgresAddress): Promise<PostgresSession> {
  const { host, port, database, user, password, tls } = address
  const client = new Client({
    host,
    port,
    database,
    user,
    ...(password === null ? {} : { password }),
    ssl: tls === null ? false : sslOf(tls, host),
    application_name: 'countersign evidence',
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
  })
  client.on('error', () => undefined) // Every later statement says it.
  const close = (): Promise<void> => client.end().catch(() => undefined)
  try {
    await client.connect()
    await client.query(SETTINGS)
  } catch (error) {
    await close()
    throw error
  }
  let last: Promise<unknown> = Promise.resolve()
  // One at a time, in the order of calls.
  const query = async (text: string, values: readonly unknown[], name?: string): Promise<readonly Row[]> => {
    const { rows }: { rows: Row[] } = await client.query({
      text,
      values: [...values],
      ...(name === undefined ? {} : { name }),
    })
    return rows
  }
  return {
    query: (text, values = [], name) => {
      const asked = last.then(() => query(text, values, name))
      last = asked.catch(() => undefined)
      return asked
    },
    close,
  }
}

function sslOf(
  { ca, serverName }: NonNullable<PostgresAddress['tls']>,
  host: string,
): NonNullable<ClientConfig['ssl']> {
  const name = serverName ?? host
  return {
    minVersion: 'TLSv1.2',
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    ...(ca === null ? {} : { ca }),
  }
}

/** Does all of `work`, or nothing. */
export async function inTransaction<T>(session: PostgresSession, how: string, work: () => Promise<T>): Promise<T> {
  await session.query(`BEGIN ${how}`)
  try {
    const result = await work()
    await session.query('COMMIT')
    return result
  } catch (error) {
    await session.query('ROLLBACK').catch(() => undefined) // The session is gone, and the transaction with it.
    throw error
  }
}

/** `host:port/database`, for messages. */
export function placeOf({ host, port, database }: PostgresAddress): string {
  return `postgres://${host.startsWith('/') ? host : `${host}:${port}`}/${database}`
}
