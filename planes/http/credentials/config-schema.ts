import { type ConfigSchema, schema } from '../../../engine/index.ts'

const { like, mapping, outside, words } = schema

const TOKEN_URL = '^https://[^\\s#?]+$|^http://(?:localhost|127\\.0\\.0\\.1|\\[::1\\])(?::[0-9]{1,5})?/[^\\s#?]*$'

const OAUTH: ConfigSchema = mapping(
  'a mapping of token_url, client_id and client_secret',
  {
    token_url: like(TOKEN_URL, 'an https URL (plain http for this machine only) without query'),
    client_id: words('the gateway’s client id'),
    client_secret: outside('its secret'),
    authentication: {
      enum: ['basic', 'post'],
      description: 'basic, or post for a secret in the body',
      default: 'basic',
    },
    scope: words('scopes with a blank between them'),
    resource: words('the API’s URI (RFC 8707)'),
    audience: words('the API’s audience, for servers that want it so'),
  },
  ['token_url', 'client_id', 'client_secret'],
)

const AWS: ConfigSchema = mapping(
  'a mapping of service and region',
  {
    service: like('^[a-z0-9-]{1,64}$', 'a signing name such as execute-api or s3'),
    region: like('^[a-z0-9-]{1,64}$', 'a region such as us-east-1'),
    access_key_id: words('an access key id'),
    secret_access_key: outside('its secret'),
    session_token: outside('the token of temporary keys'),
  },
  ['service', 'region'],
)

/** Exactly one of them. */
export const CREDENTIALS_SCHEMA: ConfigSchema = {
  ...mapping(
    'a mapping of bearer, basic, header, oauth or aws',
    {
      bearer: outside('a token'),
      basic: mapping(
        'a mapping of user and password',
        { user: words('a user name'), password: outside('its password') },
        ['user', 'password'],
      ),
      header: mapping(
        'a mapping of name and value',
        { name: like('^[A-Za-z0-9-]{1,64}$', 'the name of a header'), value: outside('its value') },
        ['name', 'value'],
      ),
      oauth: OAUTH,
      aws: AWS,
    },
    [],
  ),
  minProperties: 1,
  maxProperties: 1,
}

/** The gateway's certificate at the API, beside whatever it brings in headers. */
export const CLIENT_CERTIFICATE_SCHEMA: ConfigSchema = mapping(
  'a mapping of cert and key',
  { cert: outside('a PEM certificate chain'), key: outside('its PEM private key') },
  ['cert', 'key'],
)
