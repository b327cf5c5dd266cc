import { isIP } from 'node:net'
import type { JsonObject } from '../../../../engine/index.ts'
import type { EnvoySettings, Upstream } from '../settings.ts'
import type { Written } from './snapshot.ts'
import { addressOf, any, duration, OVER_ADS, wrapped } from './wire-types.ts'

export const PROCESSOR = 'countersign_processor'
const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'

/** A processor that died is known within this, and used again this long after it came back. */
const HEALTH_MS = 250

export function clusters(settings: EnvoySettings): readonly Written[] {
  return [processor(settings), ...processorEndpoints(settings), ...settings.upstreams.flatMap(upstream)]
}

function processor({ processorTls }: EnvoySettings): Written {
  const message = {
    name: PROCESSOR,
    type: 'EDS',
    eds_cluster_config: { eds_config: OVER_ADS },
    connect_timeout: duration(1000),
    lb_policy: 'LEAST_REQUEST',
    // With nobody well there is nobody to ask: it never falls back on one that isn't.
    common_lb_config: { healthy_panic_threshold: wrapped(0) },
    health_checks: [
      {
        timeout: duration(1000),
        interval: duration(HEALTH_MS),
        no_traffic_interval: duration(HEALTH_MS),
        unhealthy_threshold: wrapped(2),
        healthy_threshold: wrapped(1),
        grpc_health_check: { service_name: '' },
      },
    ],
    typed_extension_protocol_options: {
      [PROTOCOL_OPTIONS]: any(PROTOCOL_OPTIONS, {
        explicit_http_config: {
          http2_protocol_options: { connection_keepalive: { interval: duration(5000), timeout: duration(2000) } },
        },
      }),
    },
    ...(processorTls === null
      ? {}
      : {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: any(UPSTREAM_TLS, {
              sni: processorTls.serverName,
              common_tls_context: {
                alpn_protocols: ['h2'], // health checks offer nothing by themselves
                tls_certificate_sds_secret_configs: [secretNamed('processor_client')],
                combined_validation_context: {
                  default_validation_context: { match_typed_subject_alt_names: [exactDns(processorTls.serverName)] },
                  validation_context_sds_secret_config: secretNamed('processor_ca'),
                },
              },
            }),
          },
        }),
  }
  return { kind: 'cluster', name: PROCESSOR, message }
}

function processorEndpoints({ processors }: EnvoySettings): readonly Written[] {
  const lb_endpoints = processors.map((each) => ({ endpoint: { address: addressOf(each) } }))
  return [{ kind: 'endpoints', name: PROCESSOR, message: { cluster_name: PROCESSOR, endpoints: [{ lb_endpoints }] } }]
}

export function clusterOf({ name }: Pick<Upstream, 'name'>): string {
  return `api_${name}`
}

/** The secret that holds who may sign its certificate. */
export function authorityOf(upstream: Pick<Upstream, 'name'>): string {
  return `${clusterOf(upstream)}_ca`
}

/** The one that holds what the gateway shows there. */
export function certificateOf(upstream: Pick<Upstream, 'name'>): string {
  return `${clusterOf(upstream)}_client`
}

function upstream(each: Upstream): readonly Written[] {
  const { host, port, tls } = each
  const name = clusterOf(each)
  const numeric = isIP(host) !== 0
  const assignment = {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf({ kind: 'tcp', host, port }) } }] }],
  }
  const message: JsonObject = {
    name,
    connect_timeout: duration(5000),
    // Of the addresses that a name has, whichever; of a number's one, what the configuration stream says.
    ...(numeric
      ? { type: 'EDS', eds_cluster_config: { eds_config: OVER_ADS } }
      : { type: 'STRICT_DNS', load_assignment: assignment }),
    typed_extension_protocol_options: {
      // HTTP/1.1, without trailers: they would come after the last word on an answer.
      [PROTOCOL_OPTIONS]: any(PROTOCOL_OPTIONS, { explicit_http_config: { http_protocol_options: {} } }),
    },
    ...(tls === null
      ? {}
      : {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: any(UPSTREAM_TLS, {
              sni: tls.serverName,
              common_tls_context: {
                ...(tls.client === null
                  ? {}
                  : { tls_certificate_sds_secret_configs: [secretNamed(certificateOf(each))] }),
                combined_validation_context: {
                  default_validation_context: { match_typed_subject_alt_names: [exactDns(tls.serverName)] },
                  validation_context_sds_secret_config: secretNamed(authorityOf(each)),
                },
              },
            }),
          },
        }),
  }
  const cluster: Written = { kind: 'cluster', name, message }
  return numeric ? [cluster, { kind: 'endpoints', name, message: assignment }] : [cluster]
}

function exactDns(name: string): JsonObject {
  return { san_type: 'DNS', matcher: { exact: name } }
}

export function secretNamed(name: string): JsonObject {
  return { name, sds_config: OVER_ADS }
}
