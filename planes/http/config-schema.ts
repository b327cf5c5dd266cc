import { type ConfigSchema, LISTENER_SCHEMA, type ListenerText, schema, type Secret } from '../../engine/index.ts'
import type { ClientCertificateText } from './credentials/client-certificate.ts'
import { CLIENT_CERTIFICATE_SCHEMA, CREDENTIALS_SCHEMA } from './credentials/config-schema.ts'
import { ENVOY_SCHEMA, type EnvoyText } from './envoy/config.ts'
import type { CredentialsText } from './upstream-credentials.ts'

/** The section as it is written. */
export interface HttpText extends ListenerText {
  readonly apis: readonly ApiText[]
  readonly hold: { readonly patience: string }
  readonly limits: {
    readonly connections: number
    readonly judged_body: string
    readonly body: string
    readonly masked_answer: string
    readonly head: string
    readonly upload: string
    readonly answer: string
    readonly idle: string
  }
  readonly envoy?: EnvoyText
}

export interface ApiText {
  readonly name: string
  readonly hosts: readonly string[] | 'any'
  readonly cookies: 'strip' | 'pass'
  readonly strip: readonly string[]
  readonly upstream: {
    readonly url: string
    readonly http2: boolean
    readonly ca?: Secret
    readonly client_certificate?: ClientCertificateText
    readonly credentials?: CredentialsText
  }
}

const { count, duration, like, listOrAny, mapping, outside, settings, size } = schema
const ORIGIN = '^https?://[A-Za-z0-9.\\-]+(:[0-9]{1,5})?$|^https?://\\[[0-9a-f:]+\\](:[0-9]{1,5})?$'

const API: ConfigSchema = mapping(
  'a mapping of name, hosts and upstream',
  {
    name: like('^[a-z0-9][a-z0-9-]{0,62}$', 'a name in small letters, digits and hyphens'),
    hosts: listOrAny(
      'a list of hosts',
      like('^[a-z0-9.\\[\\]:-]{1,255}$', 'a host in small letters, with its port where that is not the scheme’s own'),
    ),
    strip: {
      type: 'array',
      items: like('^[a-z0-9-]{1,64}$', 'the name of a header in small letters'),
      description: 'a list of headers with credentials of clients’ own, which never go up',
      default: ['x-api-key', 'api-key', 'apikey', 'x-auth-token', 'x-access-token', 'x-amz-security-token'],
    },
    cookies: {
      enum: ['strip', 'pass'],
      description: 'strip, or pass to let cookies through both ways',
      default: 'strip',
    },
    upstream: mapping(
      'a mapping of url and credentials',
      {
        url: like(ORIGIN, 'scheme, host and port of the API, without a path'),
        http2: {
          enum: [true, false],
          description: 'true where the API speaks HTTP/2 (gRPC does), else false',
          default: false,
        },
        ca: outside('the PEM certificate of the authority that signed the API’s'),
        client_certificate: CLIENT_CERTIFICATE_SCHEMA,
        credentials: CREDENTIALS_SCHEMA,
      },
      ['url'],
    ),
  },
  ['name', 'hosts', 'upstream'],
)

/** `planes.http` of countersign.yaml. */
export const HTTP_SCHEMA: ConfigSchema = mapping(
  'a mapping with listen and apis',
  {
    ...LISTENER_SCHEMA,
    apis: { type: 'array', minItems: 1, items: API, description: 'a list of APIs, each with name, hosts and upstream' },
    hold: settings('a mapping of patience', { patience: duration('25s') }),
    limits: settings('a mapping of limits', {
      connections: count('how many at once', 100_000, 1000),
      judged_body: size('1MiB'),
      body: size('1GiB'),
      masked_answer: size('8MiB'),
      head: duration('15s'),
      upload: duration('60s'),
      answer: duration('5m'),
      idle: duration('15m'),
    }),
    envoy: ENVOY_SCHEMA,
  },
  ['listen', 'apis'],
)
