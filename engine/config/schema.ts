import type { ConfigSchema } from './config-schema.ts'
import { identityProperties } from './identity-schema.ts'
import { KEEPING_PROPERTIES } from './keeping-schema.ts'
import { DURATION_PATTERN } from '../units.ts'

export type { ConfigSchema } from './config-schema.ts'

const path: ConfigSchema = { type: 'string', minLength: 1, description: 'a path, taken from where this file lies' }
const claim = (name: string): ConfigSchema => ({
  type: 'string',
  minLength: 1,
  description: 'the name of a claim, or a JSON Pointer into the claims',
  default: name,
})
const duration = (byDefault: string): ConfigSchema => ({
  type: 'string',
  pattern: DURATION_PATTERN,
  description: 'a duration such as 90s, 15m or 12h',
  default: byDefault,
})

const names = (what: string): ConfigSchema => ({
  type: 'array',
  items: { type: 'string', minLength: 1, description: 'a name' },
  description: `a list of ${what}`,
  default: [],
})

/** A mapping in which nothing else may stand. */
function section(
  description: string,
  properties: Readonly<Record<string, ConfigSchema>>,
  optional: string[] = [],
): ConfigSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', description, properties, required, additionalProperties: false }
}

/** Nobody, where it is left out. */
const members = (who: string): ConfigSchema => ({
  ...section(`a mapping of groups and roles: ${who}`, { groups: names('groups'), roles: names('roles') }, [
    'groups',
    'roles',
  ]),
  default: {},
})

const outsideText: ConfigSchema = {
  type: 'object',
  description: '{ file: PATH } or { env: NAME }, never the text itself',
  properties: {
    file: path,
    env: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$', description: 'the name of an environment variable' },
  },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
  writeOnly: true,
}

const verify: ConfigSchema = {
  description: 'a mapping of key, algorithm and key_id, or the word none to run an unsigned bundle',
  if: { type: 'string' },
  // oxlint-disable-next-line unicorn/no-thenable -- JSON Schema's own keyword
  then: { const: 'none', description: 'a mapping of key, algorithm and key_id, or the word none' },
  else: section('a mapping of key, algorithm and key_id, or the word none', {
    key: outsideText,
    algorithm: { enum: ['EdDSA', 'ES256', 'RS256', 'PS256'], description: 'EdDSA, ES256, RS256 or PS256' },
    key_id: { type: 'string', minLength: 1, description: 'the name of the key in the signature' },
  }),
}

const issuer = section(
  'a mapping that describes one identity provider',
  {
    issuer: { type: 'string', minLength: 1, description: "the provider's URL, exactly as it stands in a token's iss" },
    audience: { type: 'string', minLength: 1, description: "what must be in a token's aud" },
    algorithms: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', minLength: 1, description: 'a JWS algorithm such as RS256' },
      description: 'a list of JWS algorithms such as [RS256]',
    },
    max_lifetime: duration('12h'),
    keys_max_age: duration('24h'),
    claims: {
      ...section(
        'a mapping of groups, roles, kind and owner to claims',
        { groups: claim('groups'), roles: claim('roles'), kind: claim('kind'), owner: claim('owner') },
        ['groups', 'roles', 'kind', 'owner'],
      ),
      default: {},
    },
  },
  ['max_lifetime', 'keys_max_age', 'claims'],
)

const signIn = section(
  'a mapping of issuer, client_id or sso_url, and what else the console needs to sign people in',
  {
    issuer: {
      type: 'string',
      minLength: 1,
      description: 'the provider that people sign in at, one of identity.issuers or identity.saml',
    },
    client_id: { type: 'string', minLength: 1, description: 'what the provider calls the console' },
    client_secret: outsideText,
    scope: { type: 'string', pattern: '(^| )openid( |$)', description: 'scopes, openid among them (default openid)' },
    resource: { type: 'string', minLength: 1, description: 'what the provider calls the gateway (RFC 8707)' },
    sso_url: { type: 'string', minLength: 1, description: 'where a SAML provider takes sign-in requests' },
    public_url: { type: 'string', minLength: 1, description: 'what browsers call the gateway' },
  },
  ['client_id', 'client_secret', 'scope', 'resource', 'sso_url', 'public_url'],
)

const postgres = section(
  'a mapping of host, port, database, user, password and tls',
  {
    host: { type: 'string', minLength: 1, description: 'a host name, an address, or the directory of a Unix socket' },
    port: { type: 'integer', minimum: 1, maximum: 65_535, description: 'a TCP port', default: 5432 },
    database: { type: 'string', minLength: 1, description: 'the name of a database' },
    user: { type: 'string', minLength: 1, description: 'the role that the gateway uses there' },
    password: outsideText,
    tls: { enum: ['verify-full', 'off'], description: 'verify-full or off', default: 'verify-full' },
    ca: outsideText,
    server_name: { type: 'string', minLength: 1, description: 'the name that the server’s certificate must bear' },
  },
  ['port', 'password', 'tls', 'ca', 'server_name'],
)

const evidenceLog = section(
  'a mapping of key, previous_key and witnesses',
  {
    key: outsideText,
    previous_key: {
      ...outsideText,
      description: `the key before this one, for the start that rotates: ${outsideText.description}`,
    },
    witnesses: {
      type: 'array',
      items: section('a mapping of url and key', {
        url: {
          type: 'string',
          pattern: '^https?://[^\\s]+$',
          description: 'the address of a witness, http:// or https://',
        },
        key: { type: 'string', minLength: 1, description: 'its public key, as `countersign witness key` prints it' },
      }),
      description: 'a list of witnesses',
      default: [],
    },
  },
  ['previous_key', 'witnesses'],
)

const webhook = section(
  'a mapping of name, url and secret',
  {
    name: {
      type: 'string',
      pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,62}$',
      description: 'a name of letters, digits and hyphens',
    },
    url: { type: 'string', minLength: 1, description: 'an https URL that messages are sent to' },
    secret: outsideText,
    previous_secret: {
      ...outsideText,
      description: `the secret before this one, while the receiver changes over: ${outsideText.description}`,
    },
    private_network: {
      enum: [true, false],
      description: 'true, where it may be at a private address, or false',
      default: false,
    },
  },
  ['previous_secret', 'private_network'],
)

/** The whole file but the planes' own sections, which each plane checks. Published as docs/countersign.schema.json. */
export const CONFIG_SCHEMA: ConfigSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Countersign gateway configuration',
  ...section(
    'a mapping with the sections instance, evidence, state, policy, identity and planes',
    {
      instance: {
        type: 'string',
        pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,62}$',
        description: 'a name for this gateway of letters, digits and hyphens, at most 63',
      },
      evidence: section(
        'a mapping of directory, or postgres, and log',
        { directory: path, postgres, log: evidenceLog, ...KEEPING_PROPERTIES },
        ['directory', 'postgres', 'log', 'retention', 'legal_holds'],
      ),
      state: section('a mapping with file, or postgres', { file: path, postgres }, ['file', 'postgres']),
      policy: section(
        'a mapping of bundle and verify',
        {
          bundle: path,
          verify,
          slowest_decision: duration('250ms'),
          review: {
            enum: ['required', 'none'],
            description: "required: no policy comes into force without another person's review; or none",
            default: 'none',
          },
          operators: members('who may propose, activate and roll back policies'),
          reviewers: members('who may review policies'),
        },
        ['slowest_decision', 'review', 'operators', 'reviewers'],
      ),
      controls: section('a mapping with directory, the control pack that records cite', { directory: path }),
      identity: section(
        'a mapping with issuers',
        {
          issuers: {
            type: 'array',
            minItems: 1,
            items: issuer,
            description: 'a list of at least one identity provider',
          },
          ...identityProperties({ section, outsideText, duration }),
        },
        ['saml', 'exchange', 'sessions'],
      ),
      api: {
        ...section(
          'a mapping of host, port, tls, auditors, viewers, operators, metrics, export_key and sign_in',
          {
            host: { type: 'string', minLength: 1, description: 'an address to listen on', default: '127.0.0.1' },
            port: { type: 'integer', minimum: 0, maximum: 65_535, description: 'a TCP port, 0 for any', default: 7420 },
            tls: section(
              'a mapping of cert and key',
              {
                cert: outsideText,
                key: outsideText,
                client_certificates: {
                  enum: ['ask', 'ignore'],
                  description: 'ask clients for a certificate, for tokens that are bound to one (RFC 8705), or ignore',
                  default: 'ignore',
                },
              },
              ['client_certificates'],
            ),
            auditors: members('who may see every approval, replay sessions and export evidence'),
            viewers: members('who may see decisions and sessions without what was sent'),
            operators: members('who may see how the gateway does, take agents out of service and revoke tokens'),
            metrics: {
              enum: ['loopback', 'open', 'off'],
              description: 'loopback: only this host may ask for /metrics; open: whoever reaches the API; or off',
              default: 'loopback',
            },
            export_key: {
              ...outsideText,
              description: `the key that signs exports made on a page: ${outsideText.description}`,
            },
            sign_in: signIn,
          },
          ['host', 'port', 'tls', 'auditors', 'viewers', 'operators', 'metrics', 'export_key', 'sign_in'],
        ),
        default: {},
      },
      masking: section('a mapping of key and key_id', {
        key: {
          ...outsideText,
          description: `64 hex digits, as countersign masking-key makes them: ${outsideText.description}`,
        },
        key_id: {
          type: 'string',
          minLength: 1,
          description: 'what records call the key; another name for another key',
        },
      }),
      webhooks: {
        type: 'array',
        items: webhook,
        description: 'a list of programs that are told of approvals',
        default: [],
      },
      planes: {
        type: 'object',
        description: 'a mapping from plane to its settings, at least one',
        minProperties: 1,
        additionalProperties: { type: 'object', description: 'a mapping of the settings that this plane documents' },
      },
      log: {
        ...section(
          'a mapping with level',
          {
            level: {
              enum: ['debug', 'info', 'warn', 'error'],
              description: 'debug, info, warn or error',
              default: 'info',
            },
          },
          ['level'],
        ),
        default: {},
      },
    },
    ['controls', 'api', 'masking', 'webhooks', 'log'],
  ),
}
