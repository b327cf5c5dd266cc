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
  type Secret,
  sectionReader,
} from '../../engine/index.ts'
import type { QueuePlace } from './normalizer/queue-name.ts'
import type { MasterKey } from './session/credentials.ts'

/** Credentials that never expire and were never minted: for laboratories only. Each acts as whoever its token names. */
export interface StaticKey {
  readonly accessKeyId: string
  readonly secret: string
  readonly token: string
}

export interface UpstreamRole {
  readonly arn: string
  /** Of STS; null: the region's own. */
  readonly endpoint: string | null
  /** Session tags: key → what of the principal is its value. */
  readonly tags: Readonly<Record<string, TagSource>>
}

export const TAG_SOURCES = ['id', 'kind', 'issuer', 'owner', 'groups', 'roles'] as const
export type TagSource = (typeof TAG_SOURCES)[number]

export interface SqsUpstreamConfig {
  /** Scheme, host and port, without a path. */
  readonly endpoint: string
  /** null: as the AWS SDKs find them (environment, files, container, instance). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null
  /** A role that the gateway takes on for each principal; null: it calls as itself. */
  readonly role: UpstreamRole | null
  /** PEM of the authority that signed the upstream's certificate; null for those the system knows. */
  readonly ca: string | null
}

/** The plane's section of the configuration, read and checked. */
export interface SqsConfig extends ListenerConfig {
  readonly place: Omit<QueuePlace, 'publicUrl'> & { readonly publicUrl: string | null }
  readonly upstream: SqsUpstreamConfig
  /** Names of queues that clients may use, `*` at the end for all that begin so; `any`: whichever there are. */
  readonly queues: readonly string[] | 'any'
  readonly keys: readonly [MasterKey, ...MasterKey[]]
  readonly lifetimeSeconds: number
  readonly staticKeys: readonly StaticKey[]
  readonly patienceMs: number
  readonly limits: { readonly connections: number; readonly bodyBytes: number; readonly idleMs: number }
}

/** The section as it is written. */
interface SqsText extends ListenerText {
  readonly public_url?: string
  readonly account: string
  readonly region: string
  readonly partition: string
  readonly upstream: {
    readonly endpoint: string
    readonly credentials?: { readonly access_key_id: string; readonly secret_access_key: Secret }
    readonly assume_role?: { readonly arn: string; readonly endpoint?: string; readonly tags: UpstreamRole['tags'] }
    readonly ca?: Secret
  }
  readonly queues: readonly string[] | 'any'
  readonly credentials: {
    readonly keys: readonly { readonly id: string; readonly secret: Secret }[]
    readonly lifetime: string
  }
  readonly laboratory: {
    readonly static_keys: readonly { readonly id: string; readonly secret: Secret; readonly token: Secret }[]
  }
  readonly hold: { readonly patience: string }
  readonly limits: { readonly connections: number; readonly body: string; readonly idle: string }
}

const { count, duration, like, listOrAny, mapping, outside, settings, size, words } = schema
const ORIGIN = '^https?://[A-Za-z0-9.\\-]+(:[0-9]{1,5})?$|^https?://\\[[0-9a-f:]+\\](:[0-9]{1,5})?$'

/** `planes.sqs` of countersign.yaml. */
const SQS_SCHEMA: ConfigSchema = mapping(
  'a mapping with listen, account, region, upstream, queues and credentials',
  {
    ...LISTENER_SCHEMA,
    public_url: like(ORIGIN, 'scheme, host and port under which clients reach the gateway, without a path'),
    account: like('^[0-9]{12}$', 'the twelve digits of the account whose queues bare names mean'),
    region: like('^[a-z0-9-]{4,32}$', 'the region of the queues, such as eu-central-1'),
    partition: { ...like('^aws[a-z-]{0,16}$', 'aws, aws-cn or aws-us-gov'), default: 'aws' },
    upstream: mapping(
      'a mapping of endpoint and credentials',
      {
        endpoint: like(ORIGIN, 'scheme, host and port of SQS, without a path'),
        credentials: mapping(
          'a mapping of access_key_id and secret_access_key',
          { access_key_id: words('an access key id'), secret_access_key: outside('its secret') },
          ['access_key_id', 'secret_access_key'],
        ),
        assume_role: mapping(
          'a mapping of arn, tags and perhaps endpoint',
          {
            arn: like('^arn:aws[a-z-]{0,16}:iam::[0-9]{12}:role/.{1,512}$', 'the ARN of a role'),
            endpoint: like(ORIGIN, 'scheme, host and port of STS, without a path'),
            tags: {
              type: 'object',
              description: 'a mapping of session tag to what of the principal is its value',
              additionalProperties: {
                enum: [...TAG_SOURCES],
                description: `one of ${TAG_SOURCES.join(', ')}`,
              },
            },
          },
          ['arn', 'tags'],
        ),
        ca: outside('the PEM certificate of the authority that signed the upstream’s'),
      },
      ['endpoint'],
    ),
    queues: listOrAny(
      'a list of queue names (* at the end for all that begin so)',
      like('^[A-Za-z0-9_-]{1,80}(\\.fifo|\\*)?$', 'the name of a queue, or its beginning and *'),
    ),
    credentials: mapping(
      'a mapping of keys, newest first',
      {
        keys: {
          type: 'array',
          minItems: 1,
          description: 'a list of keys, each with id and secret, newest first',
          items: mapping(
            'a mapping of id and secret',
            {
              id: like('^[A-Za-z0-9_-]{1,32}$', 'a name for the key'),
              secret: outside('at least 32 random bytes as base64 or hex'),
            },
            ['id', 'secret'],
          ),
        },
        lifetime: duration('1h'),
      },
      ['keys'],
    ),
    laboratory: {
      ...mapping(
        'a mapping with static_keys',
        {
          static_keys: {
            type: 'array',
            description: 'a list of static keys, each with id, secret and token',
            items: mapping(
              'a mapping of id, secret and token',
              {
                id: like('^[A-Za-z0-9]{4,128}$', 'an access key id'),
                secret: outside('its secret'),
                token: outside('the token of whom it acts as'),
              },
              ['id', 'secret', 'token'],
            ),
          },
        },
        ['static_keys'],
      ),
      default: { static_keys: [] },
    },
    hold: settings('a mapping of patience', { patience: duration('15s') }),
    limits: settings('a mapping of limits', {
      connections: count('how many at once', 100_000, 1000),
      body: size('8MiB'),
      idle: duration('15m'),
    }),
  },
  ['listen', 'account', 'region', 'upstream', 'queues', 'credentials'],
)

const readSection = sectionReader<SqsText>(SQS_SCHEMA)

/** Longer than SQS's longest poll would keep a client waiting past its own time-out. */
const MAX_PATIENCE_MS = 20_000

/** Throws ConfigError, one line a fault, each beginning with its path within the section. */
export function configure(raw: unknown): SqsConfig {
  const section = readSection(raw)
  const { listen, upstream, laboratory, limits } = section
  if (laboratory.static_keys.length > 0 && !LOOPBACK.has(listen.host)) {
    throw wrong('laboratory.static_keys: expected none where others than this machine can connect')
  }
  const stranger = Object.keys(upstream.assume_role?.tags ?? {}).find((tag) => !TAG.test(tag))
  if (stranger !== undefined)
    throw wrong(`upstream.assume_role.tags: expected names that AWS takes, found ${JSON.stringify(stranger)}`)
  const patienceMs = milliseconds(section.hold.patience)
  if (patienceMs > MAX_PATIENCE_MS) throw wrong('hold.patience: expected at most 20s, the longest that SDKs wait')
  return {
    ...listenerOf(section),
    place: {
      account: section.account,
      region: section.region,
      partition: section.partition,
      publicUrl: section.public_url ?? null,
    },
    upstream: {
      endpoint: upstream.endpoint,
      credentials:
        upstream.credentials === undefined
          ? null
          : {
              accessKeyId: upstream.credentials.access_key_id,
              secretAccessKey: upstream.credentials.secret_access_key.reveal(),
            },
      role:
        upstream.assume_role === undefined
          ? null
          : { ...upstream.assume_role, endpoint: upstream.assume_role.endpoint ?? null },
      ca: upstream.ca?.reveal() ?? null,
    },
    queues: section.queues,
    keys: masterKeys(section.credentials.keys),
    lifetimeSeconds: milliseconds(section.credentials.lifetime) / 1000,
    staticKeys: laboratory.static_keys.map(({ id, secret, token }) => ({
      accessKeyId: id,
      secret: secret.reveal(),
      token: token.reveal(),
    })),
    patienceMs,
    limits: {
      connections: limits.connections,
      bodyBytes: bytes(limits.body),
      idleMs: milliseconds(limits.idle),
    },
  }
}

const TAG = /^(?!aws:)[A-Za-z0-9_.:/=+@ -]{1,128}$/
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])

function masterKeys(written: SqsText['credentials']['keys']): readonly [MasterKey, ...MasterKey[]] {
  const keys = written.map(({ id, secret }, index) => ({ id, secret: keyBytes(secret.reveal(), index) }))
  const [first, ...others] = keys
  if (first === undefined) throw wrong('credentials.keys: expected at least one key')
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) throw wrong('credentials.keys: expected each id once')
  return [first, ...others]
}

function keyBytes(written: string, index: number): Uint8Array {
  const form = /^(?:[0-9a-f]{2})+$/i.test(written) ? 'hex' : 'base64'
  const bytes = Buffer.from(written, form)
  if (bytes.length < 32 || (form === 'base64' && bytes.toString('base64') !== written)) {
    throw wrong(`credentials.keys[${index}].secret: expected at least 32 random bytes as base64 or hex`)
  }
  return bytes
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
