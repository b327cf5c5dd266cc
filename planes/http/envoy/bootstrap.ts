import type { JsonObject } from '../../../engine/index.ts'
import type { Address, MutualTls } from './settings.ts'
import { addressOf } from './xds/wire-types.ts'

/** What an Envoy must know before it is told the rest. */
export interface BootstrapSettings {
  /** How it names itself to the gateway. */
  readonly node: string
  /** Where the gateway serves configuration. */
  readonly control: Address
  /** Files as Envoy reads them; null over a Unix socket, or on loopback in a laboratory. */
  readonly controlTls: { readonly serverName: string; readonly files: MutualTls } | null
  readonly admin: { readonly host: string; readonly port: number }
}

const CONTROL = 'countersign_control'
const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** As JSON, in protobuf's own short forms, since Envoy reads this one itself. */
export function bootstrap({ node, control, controlTls, admin }: BootstrapSettings): JsonObject {
  const over = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }
  return {
    node: { id: node, cluster: 'countersign' },
    admin: { address: addressOf({ kind: 'tcp', ...admin }) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: CONTROL } }],
      },
      cds_config: over,
      lds_config: over,
    },
    static_resources: {
      clusters: [
        {
          name: CONTROL,
          type: control.kind === 'tcp' ? 'STRICT_DNS' : 'STATIC',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: CONTROL,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(control) } }] }],
          },
          typed_extension_protocol_options: {
            [PROTOCOL_OPTIONS]: {
              '@type': `type.googleapis.com/${PROTOCOL_OPTIONS}`,
              explicit_http_config: {
                http2_protocol_options: { connection_keepalive: { interval: '5s', timeout: '2s' } },
              },
            },
          },
          ...(controlTls === null ? {} : { transport_socket: controlSocket(controlTls) }),
        },
      ],
    },
    layered_runtime: {
      layers: [
        {
          name: 'countersign',
          static_layer: {
            // Else Envoy resets each processor stream, and enough resets make Node end the whole connection.
            'envoy.reloadable_features.ext_proc_graceful_grpc_close': true,
          },
        },
      ],
    },
  }
}

function controlSocket({ serverName, files }: NonNullable<BootstrapSettings['controlTls']>): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: serverName,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: files.cert }, private_key: { filename: files.key } }],
        validation_context: {
          trusted_ca: { filename: files.ca },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: serverName } }],
        },
      },
    },
  }
}
