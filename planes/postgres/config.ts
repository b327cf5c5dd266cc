import { ConfigError, type ConfigSchema, parseDuration, parseSize, Secret, sectionReader } from '../../engine/index.ts'
import { DURATION_PATTERN, SIZE_PATTERN } from '../../engine/index.ts'
import type { OAuthConfig } from './oauth-bearer.ts'
import { rdsTokens } from './rds-token.ts'
import type { UpstreamConfig } from './upstream.ts'

/** The plane's section of the configuration, read and checked. */
export interface PostgresConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM. null: none is offered, and only connections from this machine are taken. */
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** Connections from this machine may do without TLS. */
  readonly plaintextLoopback: boolean
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
interface PostgresText {
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls?: { readonly cert: Secret; readonly key: Secret }
  readonly plaintext: 'never' | 'loopback'
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

const text = (description: string): ConfigSchema => ({ type: 'string', minLength: 1, description })
const outside = (what: string): ConfigSchema => ({
  type: 'object',
  description: `${what} as { file: PATH } or { env: NAME }`,
  writeOnly: true,
})
const port: ConfigSchema = { type: 'integer', minimum: 0, maximum: 65_535, description: 'a TCP port, 0 for any' }
const duration = (byDefault: string): ConfigSchema => ({
  type: 'string',
  pattern: DURATION_PATTERN,
  description: 'a duration such as 90s or 15m',
  default: byDefault,
})
const size = (byDefault: string): ConfigSchema => ({
  type: 'string',
  pattern: SIZE_PATTERN,
  description: 'a size such as 64KiB or 16MiB',
  default: byDefault,
})
const mapping = (description: string, properties: Record<string, ConfigSchema>, required: string[]): ConfigSchema => ({
  type: 'object',
  description,
  properties,
  required,
  additionalProperties: false,
})

/** `planes.postgres` of countersign.yaml. */
export const POSTGRES_SCHEMA: ConfigSchema = mapping(
  'a mapping with listen, upstream and databases',
  {
    listen: mapping('a mapping of host and port', { host: text('an address to listen on'), port }, ['host', 'port']),
    tls: mapping(
      'a mapping of cert and key',
      { cert: outside('a PEM certificate chain'), key: outside('its PEM private key') },
      ['cert', 'key'],
    ),
    plaintext: {
      enum: ['never', 'loopback'],
      description: 'never, or loopback to let clients on this machine do without TLS',
      default: 'never',
    },
    upstream: mapping(
      'a mapping of host, port and user',
      {
        host: text('a host name, an address, or the directory of a Unix socket'),
        port,
        user: text('the role that the gateway uses at the server'),
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
                  region: text('the AWS region of the server'),
                  host: text('the name that RDS gives the server'),
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
        server_name: text('the name that the server’s certificate must bear'),
        connect_timeout: duration('10s'),
      },
      ['host', 'port', 'user'],
    ),
    databases: {
      description: 'a list of databases that clients may name, or the word any',
      if: { type: 'string' },
      // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own keyword
      then: { const: 'any', description: 'a list of databases, or the word any' },
      else: {
        type: 'array',
        minItems: 1,
        items: text('the name of a database'),
        description: 'a list of databases, or the word any',
      },
    },
    oauth: mapping(
      'a mapping of issuer, scope and users',
      {
        issuer: {
          type: 'string',
          pattern: '^https?://[^?#]+$',
          description: 'the URL of the identity provider that clients are sent to for a token',
        },
        scope: { ...text('the scopes to ask it for, separated by blanks'), default: 'openid' },
        users: {
          type: 'array',
          items: text('a user name'),
          description: 'a list of the user names that are asked for a token by OAUTHBEARER',
          default: [],
        },
      },
      ['issuer'],
    ),
    trace: {
      type: 'string',
      pattern: '^/',
      description: 'the absolute path of a directory that gets a trace of each session, for support',
    },
    hold: {
      ...mapping('a mapping of patience and heartbeat', { patience: duration('15m'), heartbeat: duration('15s') }, []),
      default: {},
    },
    estimates: {
      enum: [true, false],
      description: 'true to ask the server what it expects of each statement, for policies that read postgres.estimate',
      default: false,
    },
    limits: {
      ...mapping(
        'a mapping of limits',
        {
          connections: {
            type: 'integer',
            minimum: 1,
            maximum: 100_000,
            description: 'how many clients at once',
            default: 500,
          },
          authentication: duration('20s'),
          query: size('1MiB'),
          row: size('64MiB'),
          outbox: size('1MiB'),
          statements: {
            type: 'integer',
            minimum: 1,
            maximum: 1_000_000,
            description: 'how many prepared statements, and how many portals, one session may keep',
            default: 10_000,
          },
          statement_texts: size('32MiB'),
          idle_transaction: duration('1h'),
          catalogue: duration('10s'),
        },
        [],
      ),
      default: {},
    },
  },
  ['listen', 'upstream', 'databases'],
)

const readSection = sectionReader<PostgresText>(POSTGRES_SCHEMA)

/** Throws ConfigError, one line a fault, each beginning with its path within the section. */
export function configure(raw: unknown): PostgresConfig {
  const { listen, tls, plaintext, upstream, databases, oauth, trace, hold, estimates, limits } =
    readSection(raw)
  return {
    listen,
    tls: tls === undefined ? null : { cert: tls.cert.reveal(), key: tls.key.reveal() },
    plaintextLoopback: plaintext === 'loopback',
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
      queryBytes: parseSize(limits.query) ?? 0,
      rowBytes: parseSize(limits.row) ?? 0,
      outboxBytes: parseSize(limits.outbox) ?? 0,
      statements: limits.statements,
      statementBytes: parseSize(limits.statement_texts) ?? 0,
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

/** The schema has let only durations through. */
function milliseconds(written: string): number {
  return parseDuration(written) ?? 0
}
