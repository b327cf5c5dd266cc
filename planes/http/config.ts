import { bytes, ConfigError, type ListenerConfig, listenerOf, milliseconds, sectionReader } from '../../engine/index.ts'
import type { Api } from './api.ts'
import { type ApiText, HTTP_SCHEMA, type HttpText } from './config-schema.ts'
import { clientCertificate } from './credentials/client-certificate.ts'
import { type EnvoyConfig, readEnvoy } from './envoy/config.ts'
import { envoySettings } from './envoy/settings-of.ts'
import { upstreamCredentials } from './upstream-credentials.ts'

/** The plane's section of the configuration, read and checked. */
export interface HttpConfig extends ListenerConfig {
  readonly apis: readonly Api[]
  readonly patienceMs: number
  readonly limits: HttpLimits
  /** Envoy takes the connections; null: the gateway does. */
  readonly envoy: EnvoyConfig | null
}

export interface HttpLimits {
  readonly connections: number
  /** Bytes of a request's body that policy judges; larger ones of types that it can't look into are streamed. */
  readonly judgedBytes: number
  /** Bytes of any request's body. */
  readonly bodyBytes: number
  /** Bytes of an answer that is masked. */
  readonly maskedBytes: number
  /** For a request's head to come; for a judged body; for an upstream's silence; until an idle caller's session ends. */
  readonly headMs: number
  readonly uploadMs: number
  readonly answerMs: number
  readonly idleMs: number
}

const readSection = sectionReader<HttpText>(HTTP_SCHEMA)

/** Clients and what stands between give up on a silent connection after a minute or less. */
const MAX_PATIENCE_MS = 60_000

/** Throws ConfigError, one line a fault, each beginning with its path within the section. */
export function configure(raw: unknown): HttpConfig {
  const section = readSection(raw)
  const { apis, hold, limits, envoy } = section
  const patienceMs = milliseconds(hold.patience)
  if (patienceMs > MAX_PATIENCE_MS) throw wrong('hold.patience: expected at most 60s, the longest that clients wait')
  const [judgedBytes, bodyBytes] = [bytes(limits.judged_body), bytes(limits.body)]
  if (judgedBytes > bodyBytes) throw wrong('limits.judged_body: expected no more than limits.body')
  const config: HttpConfig = {
    ...listenerOf(section),
    apis: apisOf(apis),
    patienceMs,
    limits: {
      connections: limits.connections,
      judgedBytes,
      bodyBytes,
      maskedBytes: bytes(limits.masked_answer),
      headMs: milliseconds(limits.head),
      uploadMs: milliseconds(limits.upload),
      answerMs: milliseconds(limits.answer),
      idleMs: milliseconds(limits.idle),
    },
    envoy: envoy === undefined ? null : readEnvoy(envoy, section.plaintext === 'loopback'),
  }
  if (config.envoy !== null) envoySettings(config, config.envoy, []) // what Envoy can't be made to do is known now
  return config
}

/** Which API a host means must not depend on which stands first. */
function apisOf(apis: readonly ApiText[]): readonly Api[] {
  const names = new Set(apis.map(({ name }) => name))
  if (names.size !== apis.length) throw wrong('apis: expected each name once')
  if (apis.length > 1 && apis.some(({ hosts }) => hosts === 'any'))
    throw wrong('apis: expected hosts of each API by name, where there is more than one')
  const hosts = apis.flatMap((api) => (api.hosts === 'any' ? [] : api.hosts))
  if (new Set(hosts).size !== hosts.length) throw wrong('apis: expected each host once')
  for (const { name, upstream } of apis) {
    if (upstream.client_certificate !== undefined && !upstream.url.startsWith('https:'))
      throw wrong(`apis: expected an https url for ${name}, which has a client_certificate`)
  }
  return apis.map(({ name, hosts: own, cookies, strip, upstream }) => ({
    name,
    hosts: own,
    origin: new URL(upstream.url),
    http2: upstream.http2,
    ca: upstream.ca?.reveal() ?? null,
    certificate: upstream.client_certificate === undefined ? null : clientCertificate(upstream.client_certificate),
    credentials: upstreamCredentials(upstream.credentials),
    stripped: strip,
    cookies: cookies === 'pass',
  }))
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
