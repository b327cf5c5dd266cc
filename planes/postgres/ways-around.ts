import { UpstreamError } from '../../engine/index.ts'
import type { PostgresConfig } from './config.ts'
import { connectUpstream, QueryConnection, ServerRefusal, type TextRow, type UpstreamConfig } from './upstream.ts'

/** One thing that was looked at. `open`: a way around the gateway, or more power than it needs. */
export interface Finding {
  readonly kind: 'closed' | 'open' | 'unknown'
  readonly what: string
  /** What to set; empty where nothing is to be done. */
  readonly remedy: string
}

const closed = (what: string): Finding => ({ kind: 'closed', what, remedy: '' })
const open = (what: string, remedy: string): Finding => ({ kind: 'open', what, remedy })
const unknown = (what: string, remedy: string): Finding => ({ kind: 'unknown', what, remedy })

const TRY_MS = 5_000
const OWN_ROLE = `SELECT rolsuper::text, rolbypassrls::text, rolcreaterole::text, rolcreatedb::text, rolreplication::text,
    (SELECT string_agg(rolname, ', ' ORDER BY rolname) FROM pg_roles o
      WHERE o.rolname ~ '^pg_' AND pg_has_role(r.oid, o.oid, 'MEMBER') AND NOT r.rolsuper)
  FROM pg_roles r WHERE rolname = current_user`
const OTHER_ROLES = `SELECT rolname, rolsuper::text FROM pg_roles
  WHERE rolcanlogin AND rolname <> current_user ORDER BY rolsuper DESC, rolname LIMIT 20`
const ANYBODY = `SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a
  WHERE a.grantee = 0 AND a.privilege_type = 'CREATE' ORDER BY 1`
const POWERS = ['SUPERUSER', 'BYPASSRLS', 'CREATEROLE', 'CREATEDB', 'REPLICATION']

/** From the gateway's side: what its own role may do, who else may sign in, what everybody may do. Throws UpstreamError. */
export async function roleAtServer({ upstream, databases }: PostgresConfig): Promise<readonly Finding[]> {
  const database = databases === 'any' ? 'postgres' : (databases[0] ?? 'postgres')
  const connection = await QueryConnection.open({ ...upstream, database }, new Map())
  try {
    const [own] = await connection.query(OWN_ROLE)
    return [
      ownRole(upstream.user, own ?? []),
      line(upstream),
      otherRoles(await connection.query(OTHER_ROLES)),
      everybody(await connection.query(ANYBODY)),
    ]
  } finally {
    connection.close()
  }
}

function ownRole(user: string, row: TextRow): Finding {
  const powers = POWERS.filter((_, index) => row[index] === 'true')
  const memberships = row[5] ?? null
  if (memberships !== null) powers.push(`member of ${memberships}`)
  if (powers.length === 0) return closed(`the gateway's role ${user} has no power beyond its grants`)
  return open(
    `the gateway's role ${user} is ${powers.join(', ')}: a mistake at the gateway would have it too`,
    'use a role of the least privilege: countersign postgres grants --role NAME prints it',
  )
}

function line({ tls, host }: Pick<UpstreamConfig, 'tls' | 'host'>): Finding {
  if (tls.mode === 'verify-full') return closed('the line to the server is TLS, and the server proves its name')
  if (host.startsWith('/') || host === 'localhost' || host === '::1' || host.startsWith('127.')) {
    return closed('the line to the server never leaves this host')
  }
  return open(`the line to ${host} is plain`, 'set planes.postgres.upstream.tls: verify-full')
}

function otherRoles(rows: readonly TextRow[]): Finding {
  if (rows.length === 0) return closed('no other role can sign in at the server')
  const names = rows.map(([name, superuser]) => `${name}${superuser === 'true' ? ' (superuser)' : ''}`)
  return unknown(
    `other roles can sign in at the server: ${names.join(', ')}`,
    'no agent may have their passwords; let pg_hba.conf take each from its own hosts alone, and the agents’ from none',
  )
}

function everybody(rows: readonly TextRow[]): Finding {
  const schemas = rows.map(([name]) => name ?? '')
  if (schemas.length === 0) return closed('not everybody may create objects in a schema')
  return open(
    `every role may create objects in ${schemas.join(', ')}`,
    schemas.map((name) => `REVOKE CREATE ON SCHEMA ${name} FROM PUBLIC;`).join(' '),
  )
}

/** What a PostgreSQL client would take from its environment. */
export interface ClientEnvironment {
  readonly user: string | null
  readonly password: string | null
  readonly database: string | null
}

/** From the agent's side: whether the server answers from here, and lets in whom the environment names. Never throws. */
export async function wayAround(
  server: { readonly host: string; readonly port: number },
  env: ClientEnvironment,
): Promise<Finding> {
  const place = `${server.host}:${server.port}`
  const user = env.user ?? 'postgres'
  const config = { ...server, user, password: env.password, connectTimeoutMs: TRY_MS }
  const database = env.database ?? user
  const tried: Finding[] = []
  for (const tls of [{ mode: 'off' }, { mode: 'verify-full', ca: null, serverName: null }] as const) {
    const found = await signedIn({ ...config, database, tls }, place)
    if (found.kind === 'open' && found.what.startsWith('BYPASS')) return found
    tried.push(found)
  }
  return tried.find(({ kind }) => kind === 'open') ?? tried[0] ?? unknown(`${place} was not tried`, '')
}

async function signedIn(config: UpstreamConfig, place: string): Promise<Finding> {
  const remedy = `let only the gateway's hosts reach ${place} (network policy, security group), and pg_hba.conf reject the rest`
  try {
    const { socket } = await connectUpstream(config, new Map())
    socket.destroy()
    return open(`BYPASS: ${place} lets ${config.user} in from here, past the gateway`, remedy)
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error
    const { cause, code } = error
    if (cause instanceof ServerRefusal) {
      // 3D000: the database isn't there, which the server tells only to whom it has let in.
      if (cause.sqlstate === '3D000') return open(`BYPASS: ${place} lets ${config.user} in from here`, remedy)
      return open(`${place} answers from here, and refuses ${config.user} (SQLSTATE ${cause.sqlstate})`, remedy)
    }
    if (code === 'ERR_UPSTREAM_CONNECT') return closed(`${place} can't be reached from here`)
    return open(`${place} answers from here (${code})`, remedy)
  }
}
