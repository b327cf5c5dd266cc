import { expect, test } from 'vitest'
import { encode } from '../../../../planes/http/envoy/protos.ts'
import type { EnvoySettings } from '../../../../planes/http/envoy/settings.ts'
import { envoySnapshot } from '../../../../planes/http/envoy/xds/resources.ts'
import { snapshotOf, type Written } from '../../../../planes/http/envoy/xds/snapshot.ts'
import { OVER_ADS } from '../../../../planes/http/envoy/xds/wire-types.ts'

const SETTINGS: EnvoySettings = {
  listen: { host: '127.0.0.1', port: 8443 },
  tls: { cert: 'CERT', key: 'KEY' },
  upstreams: [
    {
      name: 'bank',
      hosts: ['bank.example'],
      host: 'api.bank.example',
      port: 443,
      tls: { serverName: 'api.bank.example', ca: 'CA', client: { cert: 'OWN', key: 'KEY' } },
      authority: 'api.bank.example',
    },
    { name: 'rates', hosts: ['rates.example'], host: '10.0.0.9', port: 80, tls: null, authority: '10.0.0.9' },
  ],
  processors: [{ kind: 'unix', path: '/run/countersign/1.sock' }],
  processorTls: null,
  responses: 'buffered',
  bodyBytes: 1 << 20,
  messageMs: 30_000,
  upstreamMs: 60_000,
  limits: { headerKiB: 32, headers: 128, idleMs: 60_000, headersMs: 15_000 },
}

const cluster: Written = {
  kind: 'cluster',
  name: 'a',
  message: { name: 'a', type: 'EDS', eds_cluster_config: { eds_config: OVER_ADS } },
}
const endpoints: Written = { kind: 'endpoints', name: 'a', message: { cluster_name: 'a' } }
const routes: Written = {
  kind: 'routes',
  name: 'r',
  message: {
    name: 'r',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] }],
  },
}

test('the same settings give the same version, and any other another', () => {
  const { version } = envoySnapshot(SETTINGS)
  expect(envoySnapshot({ ...SETTINGS }).version).toBe(version)
  expect(envoySnapshot({ ...SETTINGS, bodyBytes: 1 }).version).not.toBe(version)
  expect(envoySnapshot({ ...SETTINGS, tls: { cert: 'CERT', key: 'OTHER' } }).version).not.toBe(version)
})

test.each([
  ['a field that Envoy has not got', { nmae: 'a' }, 'nmae: expected a field, found none'],
  ['an enumeration’s value that it has not got', { type: 'EDZ' }, '.type: expected'],
  [
    'a type that it has not got',
    { typed_extension_protocol_options: { x: { '@type': 'type.googleapis.com/envoy.Nothing', a: 1 } } },
    '@type: expected a field, found none',
  ],
  ['text where a number belongs', { connect_timeout: { seconds: 'soon' } }, 'seconds: expected "soon"'],
])('%s is refused, and not left out', (_what, message, found) => {
  expect(() => encode('envoy.config.cluster.v3.Cluster', message)).toThrow(found)
})

test.each([
  ['a cluster without its endpoints', [cluster], 'endpoints a: expected to be there, since it is named, found none'],
  ['endpoints of no cluster', [endpoints], 'endpoints a: expected to be named by something'],
  ['a route to a cluster that is not there', [routes], 'cluster a: expected to be there'],
  ['routes that no listener names', [cluster, endpoints, routes], 'routes r: expected to be named by something'],
  ['two of one name', [cluster, cluster, endpoints], 'cluster a: expected once, found twice'],
])('%s is refused before anybody is told', (_what, written, found) => {
  expect(() => snapshotOf(written)).toThrow(found)
})

test('what the chain is closed by is in every configuration, whatever the settings', () => {
  for (const responses of ['buffered', 'streamed'] as const) {
    const listener = envoySnapshot({ ...SETTINGS, responses }).resources.listener.get('agents')
    const text = listener?.bytes.toString('latin1') ?? ''
    const order = [
      'envoy.filters.http.lua',
      'envoy.filters.http.ext_proc',
      'envoy.filters.http.rbac',
      'envoy.filters.http.router',
    ]
    const places = order.map((name) => text.indexOf(name))
    expect(places.every((place) => place > 0)).toBe(true)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  }
})

test('keys and certificates are secrets of their own, and the clusters name them', () => {
  const { secret, cluster } = envoySnapshot(SETTINGS).resources
  expect([...secret.keys()].toSorted()).toEqual(['api_bank_ca', 'api_bank_client', 'listener'])
  const text = cluster.get('api_bank')?.bytes.toString('latin1') ?? ''
  for (const name of ['api_bank_ca', 'api_bank_client']) expect(text).toContain(name)
  expect(text).not.toContain('KEY')
})

test('each API goes up to its own upstream, and only what was decided for it', () => {
  const text = envoySnapshot(SETTINGS).resources.routes.get('agents')?.bytes.toString('latin1') ?? ''
  for (const each of ['api_bank', 'api_rates', 'bank.example', 'rates.example', 'envoy.filters.http.rbac'])
    expect(text).toContain(each)
})
