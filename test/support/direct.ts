import { Client } from 'pg'
import { connectUpstream } from '../../planes/postgres/upstream.ts'
import type { Stack } from './stack.ts'
import { WireClient } from './wire-client.ts'

/** Rows straight from the server, as its superuser: what is really there. */
export async function direct(stack: Stack, sql: string): Promise<unknown[][]> {
  const { host, port, database, user, password } = stack.line.upstream
  const client = new Client({ host, port, database, user, password })
  await client.connect()
  try {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

/** The server itself, message for message. */
export async function openDirect(stack: Stack): Promise<WireClient> {
  const config = { ...stack.line.upstream, tls: { mode: 'off' }, connectTimeoutMs: 5000 } as const
  const { socket } = await connectUpstream(config, new Map([['database', stack.line.upstream.database]]))
  return WireClient.over(socket)
}
