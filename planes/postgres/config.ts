import {
  bytes,
  ConfigError,
  type ConfigSchema,
  LISTENER_SCHEMA,
  type ListenerConfig,
  listenerOf,
  type ListenerText,
  milliseconds,
  schema,
  Secret,
  sectionReader,
} from '../../engine/index.ts'
import type { OAuthConfig } from './oauth-bearer.ts'
import { rdsTokens } from './rds-token.ts'
import type { UpstreamConfig } from './upstream.ts'

/** The plane's section of the configuration, read and checked. */
export interface PostgresConfig extends ListenerConfig {
  /** The database comes from the client's startup message, within `databases`. */
  readonly upstream: Omit<UpstreamConfig, 'database'>
  /** Which databases a client may name; `any`: whichever the upstream has. */
  readonly databases: readonly string[] | 'any'
  /** null: tokens come as passwords alone. */
  readonly oauth: OAuthConfig | null
  /** A directory that gets a trace of each session, for support; null: none is made. */
  readonly trace: string | null
  readonly hold: { readonly patienceMs: number; readonly heartbeatMs: number }
  /** Policy is told what the server expects of each statement. */
  readonly estimates: boolean
  readonly limits: {
    readonly connections: number
    readonly authenticationMs: number
    /** Bytes: the largest message of a client, the largest of the server, and what may wait for a slow reader. */
    readonly queryBytes: number
    readonly rowBytes: number
    readonly outboxBytes: number
    /** How many prepared statements, and how many portals, one session may keep, and how many bytes of each. */
    readonly statements: number
    readonly statementBytes: number
    /** How long a client may say nothing within a transaction. */
    readonly idleTransactionMs: number
    /** How old the catalogue may get before it is looked at again. */
    readonly catalogueMs: number
  }
}

/** The section as it is written. */
interface PostgresText extends ListenerText {
  readonly upstream: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password?: Secret | { readonly rds_iam: RdsIamText }
    readonly tls: 'verify-full' | 'off'
    readonly ca?: Secret
    readonly server_name?: string
    readonly connect_timeout: string
  }
  readonly databases: readonly string[] | 'any'
  readonly oauth?: { readonly issuer: string; readonly scope: string; readonly users: readonly string[] }
  readonly trace?: string
  readonly hold: { readonly patience: string; readonly heartbeat: string }
  readonly estimates: boolean
  readonly limits: {
    readonly connections: number
    readonly authentication: string
    readonly query: string
    readonly row: string
    readonly outbox: string
    readonly statements: number
    readonly statement_texts: string
    readonly idle_transaction: string
    readonly catalogue: string
  }
}

interface RdsIamText {
  readonly region: string
  readonly host?: string
  readonly port?: number
}

const { count, duration, like, listOrAny, mapping, outside, port, settings, size, words } = schema

/** `planes.postgres` of countersign.yaml. */
export const POSTGRES_SCHEMA: ConfigSchema = mapping(
  'a mapping with listen, upstream and databases',
  {
    ...LISTENER_SCHEMA,
    upstream: mapping(
      'a mapping of host, port and user',
      {
        host: words('a host name, an address, or the directory of a Unix socket'),
        port,
        user: words('the role that the gateway uses at the server'),
        password: {
          description: 'the password of that role as { file: PATH } or { env: NAME }, or { rds_iam: … }',
          if: { type: 'object', required: ['rds_iam'] },
          // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own keyword
          then: mapping(
            'a mapping with rds_iam',
            {
              rds_iam: mapping(
                'a mapping of region, and of host and port where the server is reached by others',
                {
                  region: words('the AWS region of the server'),
                  host: words('the name that RDS gives the server'),
                  port,
                },
                ['region'],
              ),
            },
            ['rds_iam'],
          ),
          else: outside('the password of that role'),
        },
        tls: { enum: ['verify-full', 'off'], description: 'verify-full or off', default: 'verify-full' },
        ca: outside('the PEM certificate of the authority that signed the server’s'),
        server_name: words('the name that the server’s certificate must bear'),
        connect_timeout: duration('10s'),
      },
      ['host', 'port', 'user'],
    ),
    databases: listOrAny('a list of databases that clients may name', words('the name of a database')),
    oauth: mapping(
      'a mapping of issuer, scope and users',
      {
        issuer: like('^https?://[^?#]+$', 'the URL of the identity provider that clients are sent to for a token'),
        scope: { ...words('the scopes to ask it for, separated by blanks'), default: 'openid' },
        users: {
          type: 'array',
          items: words('a user name'),
          description: 'a list of the user names that are asked for a token by OAUTHBEARER',
          default: [],
        },
      },
      ['issuer'],
    ),
    trace: like('^/', 'the absolute path of a directory that gets a trace of each session, for support'),
    hold: settings('a mapping of patience and heartbeat', { patience: duration('15m'), heartbeat: duration('15s') }),
    estimates: {
      enum: [true, false],
      description: 'true to ask the server what it expects of each statement, for policies that read postgres.estimate',
      default: false,
    },
    limits: settings('a mapping of limits', {
      connections: count('how many clients at once', 100_000, 500),
      authentication: duration('20s'),
      query: size('1MiB'),
      row: size('64MiB'),
      outbox: size('1MiB'),
      statements: count('how many prepared statements, and how many portals, one session may keep', 1_000_000, 10_000),
      statement_texts: size('32MiB'),
      idle_transaction: duration('1h'),
      catalogue: duration('10s'),
    }),
  },
  ['listen', 'upstream', 'databases'],
)

const readSection = sectionReader<PostgresText>(POSTGRES_SCHEMA)

/** Throws ConfigError, one line a fault, each beginning with its path within the section. */
export function configure(raw: unknown): PostgresConfig {
  const section = readSection(raw)
  const { upstream, databases, oauth, trace, hold, estimates, limits } = section
  return {
    ...listenerOf(section),
    upstream: {
      host: upstream.host,
      port: upstream.port,
      user: upstream.user,
      ...passwordOf(upstream),
      tls:
        upstream.tls === 'off'
          ? { mode: 'off' }
          : { mode: 'verify-full', ca: upstream.ca?.reveal() ?? null, serverName: upstream.server_name ?? null },
      connectTimeoutMs: milliseconds(upstream.connect_timeout),
    },
    databases,
    oauth: oauth ?? null,
    trace: trace ?? null,
    hold: { patienceMs: milliseconds(hold.patience), heartbeatMs: milliseconds(hold.heartbeat) },
    estimates,
    limits: {
      connections: limits.connections,
      authenticationMs: milliseconds(limits.authentication),
      queryBytes: bytes(limits.query),
      rowBytes: bytes(limits.row),
      outboxBytes: bytes(limits.outbox),
      statements: limits.statements,
      statementBytes: bytes(limits.statement_texts),
      idleTransactionMs: milliseconds(limits.idle_transaction),
      catalogueMs: milliseconds(limits.catalogue),
    },
  }
}

/** A token is worth as much as a password for 15 minutes: only a server that has proved its name gets one. */
function passwordOf(upstream: PostgresText['upstream']): Pick<UpstreamConfig, 'password' | 'makePassword'> {
  const { password, host, port, user, tls } = upstream
  if (password === undefined) return { password: null }
  if (password instanceof Secret) return { password: password.reveal() }
  if (tls !== 'verify-full') {
    const message = 'upstream.tls: expected verify-full, since the password is an RDS token; found off'
    throw new ConfigError('ERR_CONFIG_PLANE', message)
  }
  const { rds_iam: rds } = password
  const server = { region: rds.region, hostname: rds.host ?? host, port: rds.port ?? port, username: user }
  return { password: null, makePassword: rdsTokens(server) }
}
