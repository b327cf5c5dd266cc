import { ConfigError } from '../../../engine/index.ts'
import type { Api } from '../api.ts'
import type { EnvoyConfig } from './config.ts'
import type { EnvoySettings, Upstream } from './settings.ts'

/** Beyond the longest hold, so that a processor that is only waiting is not taken for one that stalls. */
const JUDGING_MS = 5000
const HEADER_KIB = 32
const HEADERS = 128

/** What of the plane's section Envoy's own configuration is made of. */
export interface Fronted {
  readonly listen: { readonly host: string; readonly port: number }
  readonly tls: EnvoySettings['tls']
  readonly plaintextLoopback: boolean
  readonly apis: readonly Api[]
  readonly patienceMs: number
  readonly limits: Readonly<Record<'judgedBytes' | 'maskedBytes' | 'answerMs' | 'idleMs' | 'headMs', number>>
}

/** Throws ConfigError for what Envoy can't be made to do here. */
export function envoySettings(
  config: Fronted,
  envoy: EnvoyConfig,
  processors: EnvoySettings['processors'],
): EnvoySettings {
  const { listen, tls, plaintextLoopback, apis, limits, patienceMs } = config
  if (listen.port === 0) throw wrong('listen.port: expected a number, since Envoy is who listens there; found 0')
  if (tls === null && !(plaintextLoopback && isLoopback(listen.host)))
    throw wrong('tls: expected a certificate, or plaintext: loopback and a loopback address to listen on')
  return {
    listen,
    tls,
    upstreams: apis.map(upstreamOf),
    processors,
    processorTls: envoy.client,
    responses: envoy.responses,
    bodyBytes: Math.max(limits.judgedBytes, limits.maskedBytes),
    messageMs: patienceMs + JUDGING_MS,
    upstreamMs: limits.answerMs,
    limits: { headerKiB: HEADER_KIB, headers: HEADERS, idleMs: limits.idleMs, headersMs: limits.headMs },
  }
}

function upstreamOf({ name, hosts, origin, ca, http2, certificate }: Api): Upstream {
  if (http2) throw wrong(`apis: ${name}: expected http2: false, since trailers come after Envoy's last question`)
  const isTls = origin.protocol === 'https:'
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  return {
    name,
    hosts,
    host,
    port: Number(origin.port === '' ? (isTls ? 443 : 80) : origin.port),
    tls: isTls ? { serverName: host, ca, client: certificate?.read() ?? null } : null,
    authority: origin.host,
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
