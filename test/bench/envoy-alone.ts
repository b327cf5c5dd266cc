import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EnvoyProcess } from '../support/envoy.ts'
import { freePort } from '../support/free-port.ts'

const CONNECTION =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'
const AUTHZ = 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'
const OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** Envoy before an API, with nothing of ours: alone, or with the usual authorizer at a port. */
export async function startEnvoyAlone(
  directory: string,
  upstream: number,
  authorizer: number | null,
): Promise<{ readonly envoy: EnvoyProcess; readonly port: number }> {
  const [port, admin] = [await freePort(), await freePort()]
  const filters = [...(authorizer === null ? [] : [authorizing()]), named('router', { '@type': ROUTER })]
  const routes = {
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'api' } }] }],
  }
  const manager = { '@type': CONNECTION, stat_prefix: 'bench', route_config: routes, http_filters: filters }
  const chain = { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }
  const bootstrap = {
    admin: { address: at(admin) },
    static_resources: {
      listeners: [{ name: 'bench', address: at(port), filter_chains: [chain] }],
      clusters: [cluster('api', upstream, false), ...(authorizer === null ? [] : [cluster('authz', authorizer, true)])],
    },
  }
  const file = join(directory, `envoy-${port}.json`)
  await writeFile(file, JSON.stringify(bootstrap))
  return { envoy: await EnvoyProcess.start({ bootstrap: file, admin: { host: '127.0.0.1', port: admin } }), port }
}

function authorizing(): object {
  const service = { envoy_grpc: { cluster_name: 'authz' }, timeout: '5s' }
  return named('ext_authz', { '@type': AUTHZ, grpc_service: service, transport_api_version: 'V3' })
}

function named(filter: string, config: object): object {
  return { name: `envoy.filters.http.${filter}`, typed_config: config }
}

function cluster(name: string, port: number, http2: boolean): object {
  const protocol = { '@type': OPTIONS, explicit_http_config: { http2_protocol_options: {} } }
  const ends = [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }]
  const options = http2
    ? { typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol } }
    : {}
  return { name, type: 'STATIC', load_assignment: { cluster_name: name, endpoints: ends }, ...options }
}

function at(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
