import type { JsonObject } from '../../../../engine/index.ts'
import { NAMESPACE } from '../ext-proc/witness.ts'
import type { EnvoySettings } from '../settings.ts'
import { clusterOf, PROCESSOR, secretNamed } from './clusters.ts'
import type { Written } from './snapshot.ts'
import { addressOf, any, duration, OVER_ADS, wrapped } from './wire-types.ts'
import { luaFilter, rbacFilter, rbacOf } from './witness-filters.ts'

const LISTENER = 'agents'
const ROUTES = 'agents'
/** The name under which the access log's entries come. */
export const ACCESS_LOG = 'countersign'

export function listeners(settings: EnvoySettings): readonly Written[] {
  const { listen, tls, bodyBytes } = settings
  const message = {
    name: LISTENER,
    address: addressOf({ kind: 'tcp', ...listen }),
    per_connection_buffer_limit_bytes: wrapped(bodyBytes),
    filter_chains: [
      {
        filters: [connectionFilter(settings)],
        ...(tls === null
          ? {}
          : {
              transport_socket: {
                name: 'envoy.transport_sockets.tls',
                typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
                  common_tls_context: {
                    alpn_protocols: ['h2', 'http/1.1'],
                    tls_certificate_sds_secret_configs: [secretNamed('listener')],
                  },
                }),
              },
            }),
      },
    ],
  }
  return [
    { kind: 'listener', name: LISTENER, message },
    { kind: 'routes', name: ROUTES, message: routes(settings) },
  ]
}

/** Each API's hosts go to its upstream, with nothing of Envoy's own in it: what was decided on is what goes up. */
function routes({ upstreams, upstreamMs }: EnvoySettings): JsonObject {
  return {
    name: ROUTES,
    virtual_hosts: upstreams.map((upstream) => ({
      name: upstream.name,
      domains: upstream.hosts === 'any' ? ['*'] : [...upstream.hosts],
      typed_per_filter_config: rbacOf(upstream.name),
      routes: [
        {
          match: { prefix: '/' },
          route: {
            cluster: clusterOf(upstream),
            timeout: duration(upstreamMs),
            host_rewrite_literal: upstream.authority,
          },
        },
      ],
    })),
  }
}

function connectionFilter(settings: EnvoySettings): JsonObject {
  const { limits } = settings
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: 'agents',
      rds: { config_source: OVER_ADS, route_config_name: ROUTES },
      normalize_path: wrapped(true),
      merge_slashes: true,
      path_with_escaped_slashes_action: 'REJECT_REQUEST',
      common_http_protocol_options: {
        headers_with_underscores_action: 'REJECT_REQUEST',
        idle_timeout: duration(limits.idleMs),
        max_headers_count: wrapped(limits.headers),
      },
      http_protocol_options: { allow_absolute_url: wrapped(false) },
      max_request_headers_kb: wrapped(limits.headerKiB),
      request_headers_timeout: duration(limits.headersMs),
      stream_idle_timeout: duration(settings.messageMs + settings.upstreamMs),
      use_remote_address: wrapped(true),
      skip_xff_append: true,
      // Nobody is trusted to say more than others: not by where the connection comes from either.
      internal_address_config: {
        unix_sockets: false,
        cidr_ranges: [{ address_prefix: '0.0.0.0', prefix_len: wrapped(32) }],
      },
      generate_request_id: wrapped(false),
      server_header_transformation: 'PASS_THROUGH',
      http_filters: [
        luaFilter(),
        processorFilter(settings),
        rbacFilter(),
        { name: 'envoy.filters.http.router', typed_config: any(ROUTER, { suppress_envoy_headers: true }) },
      ],
      access_log: [accessLog()],
    }),
  }
}

const ROUTER = 'envoy.extensions.filters.http.router.v3.Router'

function processorFilter({ responses, messageMs }: EnvoySettings): JsonObject {
  return {
    name: 'envoy.filters.http.ext_proc',
    typed_config: any('envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor', {
      grpc_service: { envoy_grpc: { cluster_name: PROCESSOR } },
      failure_mode_allow: false,
      processing_mode: {
        request_header_mode: 'SEND',
        request_body_mode: 'BUFFERED',
        response_header_mode: 'SEND',
        response_body_mode: 'BUFFERED',
        request_trailer_mode: 'SKIP',
        response_trailer_mode: 'SKIP',
      },
      request_attributes: ['source.address', 'request.protocol'],
      response_attributes: ['response.code_details'],
      message_timeout: duration(messageMs),
      // Only to let an answer of which nothing is masked go as it comes, and then counted.
      allow_mode_override: responses === 'streamed',
      metadata_options: { receiving_namespaces: { untyped: [NAMESPACE] } },
      mutation_rules: { allow_envoy: wrapped(true), disallow_system: wrapped(true), disallow_is_error: wrapped(true) },
    }),
  }
}

/** Each exchange as Envoy saw it, to be held against the decisions. */
function accessLog(): JsonObject {
  return {
    name: 'envoy.access_loggers.http_grpc',
    typed_config: any('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
      common_config: {
        log_name: ACCESS_LOG,
        transport_api_version: 'V3',
        grpc_service: { envoy_grpc: { cluster_name: PROCESSOR } },
        buffer_flush_interval: duration(200),
      },
    }),
  }
}
