import { ConfigError, type ConfigSchema, schema, type Secret } from '../../../engine/index.ts'
import type { Address, MutualTls } from './settings.ts'

/** `planes.http.envoy` as it is written. */
export interface EnvoyText {
  readonly control: AddressText & { readonly tls?: TlsText }
  readonly processors?: readonly AddressText[]
  readonly server_name?: string
  readonly client?: { readonly cert: Secret; readonly key: Secret }
  readonly responses: 'buffered' | 'streamed'
}

interface AddressText {
  readonly socket?: string
  readonly host?: string
  readonly port?: number
}

interface TlsText {
  readonly cert: Secret
  readonly key: Secret
  readonly ca: Secret
}

/** The same, read and checked. */
export interface EnvoyConfig {
  /** Where the gateway serves Envoy's configuration, and judges its exchanges. */
  readonly control: Address
  /** null over a Unix socket, or on loopback in a laboratory. */
  readonly controlTls: MutualTls | null
  /** As Envoy dials them; null: this gateway alone. */
  readonly processors: readonly Address[] | null
  /** What Envoy shows to gateways, and the name that theirs bear. */
  readonly client: (MutualTls & { readonly serverName: string }) | null
  readonly responses: 'buffered' | 'streamed'
}

const { mapping, outside, words } = schema

const PLACE: Record<string, ConfigSchema> = {
  socket: words('the path of a Unix socket'),
  host: words('an address'),
  port: schema.port,
}

export const ENVOY_SCHEMA: ConfigSchema = mapping(
  'a mapping with control',
  {
    control: mapping(
      'a mapping of socket, or of host, port and tls',
      {
        ...PLACE,
        tls: mapping(
          'a mapping of cert, key and ca',
          {
            cert: outside('the gateway’s PEM certificate chain'),
            key: outside('its PEM private key'),
            ca: outside('the PEM certificate of the authority that signed Envoy’s, and the gateways’'),
          },
          ['cert', 'key', 'ca'],
        ),
      },
      [],
    ),
    processors: {
      type: 'array',
      minItems: 1,
      items: mapping('a mapping of socket, or of host and port', PLACE, []),
      description: 'a list of gateways as Envoy reaches them, each with socket, or host and port',
    },
    server_name: words('the name in the gateways’ certificates'),
    client: mapping(
      'a mapping of cert and key',
      { cert: outside('Envoy’s PEM certificate chain'), key: outside('its PEM private key') },
      ['cert', 'key'],
    ),
    responses: {
      enum: ['buffered', 'streamed'],
      description: 'buffered, or streamed to let answers of which nothing is masked go as they come',
      default: 'buffered',
    },
  },
  ['control'],
)

/** Throws ConfigError, its path within the plane's section. */
export function readEnvoy(written: EnvoyText, plaintextLoopback: boolean): EnvoyConfig {
  const control = addressOf(written.control, 'envoy.control')
  const { tls } = written.control
  if (control.kind === 'unix' && tls !== undefined) throw wrong('envoy.control.tls: expected none with a socket')
  if (control.kind === 'tcp' && tls === undefined && !(plaintextLoopback && isLoopback(control.host)))
    throw wrong('envoy.control.tls: expected a certificate, since whoever reaches it is told the APIs’ credentials')
  const mutual = tls === undefined ? null : { cert: tls.cert.reveal(), key: tls.key.reveal(), ca: tls.ca.reveal() }
  return {
    control,
    controlTls: mutual,
    processors: written.processors?.map((each, index) => addressOf(each, `envoy.processors.${index}`)) ?? null,
    client: mutual === null ? null : clientOf(written, mutual.ca),
    responses: written.responses,
  }
}

function clientOf({ client, server_name: serverName }: EnvoyText, ca: string): NonNullable<EnvoyConfig['client']> {
  if (client === undefined || serverName === undefined)
    throw wrong('envoy: expected client and server_name where control has tls')
  return { cert: client.cert.reveal(), key: client.key.reveal(), ca, serverName }
}

function addressOf({ socket, host, port }: AddressText, path: string): Address {
  if (socket !== undefined && host === undefined && port === undefined) return { kind: 'unix', path: socket }
  if (socket === undefined && host !== undefined && port !== undefined) return { kind: 'tcp', host, port }
  throw wrong(`${path}: expected socket, or host and port`)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
