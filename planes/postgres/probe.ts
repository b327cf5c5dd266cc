import type { PostgresConfig } from './config.ts'
import { QueryConnection } from './upstream.ts'

/**
 * Signs in at the server as the gateway's role, to each database that clients may name. Resolves with what to tell about
 * it; throws UpstreamError with what the server or the network said.
 */
export async function reachUpstream({ upstream, databases }: PostgresConfig): Promise<string> {
  const names = databases === 'any' ? ['postgres'] : databases
  let version = ''
  for (const database of names) {
    const connection = await QueryConnection.open({ ...upstream, database }, new Map())
    try {
      const rows = await connection.query('SHOW server_version')
      version = rows[0]?.[0] ?? 'unknown'
    } finally {
      connection.close()
    }
  }
  return `${upstream.host}:${upstream.port} lets ${upstream.user} into ${names.join(', ')} (PostgreSQL ${version})`
}
