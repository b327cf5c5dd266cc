import { expect, test } from 'vitest'
import { Secret } from '../../../../engine/index.ts'
import { configure } from '../../../../planes/http/config.ts'
import { bootstrapFor } from '../../../../planes/http/envoy/bootstrap-for.ts'

const PEM = { cert: new Secret('CERT', 'x'), key: new Secret('KEY', 'x') }
const TCP = { host: '10.0.0.1', port: 9443 }
const whole = {
  listen: { host: '0.0.0.0', port: 8443 },
  tls: PEM,
  apis: [{ name: 'bank', hosts: 'any', upstream: { url: 'https://core.example' } }],
  envoy: { control: { socket: '/run/countersign/envoy.sock' } },
}
const choice = { node: 'n', admin: { host: '127.0.0.1', port: 9901 }, control: null, files: null }

test('a socket, or TLS on which both ends prove themselves', () => {
  expect(configure(whole).envoy).toMatchObject({ control: { kind: 'unix' }, client: null, responses: 'buffered' })
  const tls = { control: { ...TCP, tls: { ...PEM, ca: new Secret('CA', 'x') } }, client: PEM, server_name: 'gateways' }
  expect(configure({ ...whole, envoy: tls }).envoy).toMatchObject({ client: { serverName: 'gateways', ca: 'CA' } })
})

test.each([
  ['plaintext beyond this machine', { envoy: { control: TCP } }, 'envoy.control.tls: expected a certificate'],
  [
    'plaintext on loopback that nobody asked for',
    { envoy: { control: { host: '127.0.0.1', port: 1 } } },
    'envoy.control.tls: expected a certificate',
  ],
  [
    'a socket and a port',
    { envoy: { control: { ...TCP, socket: '/a' } } },
    'envoy.control: expected socket, or host and port',
  ],
  ['neither', { envoy: { control: {} } }, 'envoy.control: expected socket, or host and port'],
  [
    'TLS over a socket',
    { envoy: { control: { socket: '/a', tls: { ...PEM, ca: new Secret('CA', 'x') } } } },
    'expected none with a socket',
  ],
  [
    'TLS without what Envoy shows',
    { envoy: { control: { ...TCP, tls: { ...PEM, ca: new Secret('CA', 'x') } } } },
    'expected client and server_name',
  ],
  ['any port for Envoy to listen on', { listen: { host: '0.0.0.0', port: 0 } }, 'listen.port: expected a number'],
  ['agents in plaintext beyond this machine', { tls: undefined, plaintext: 'loopback' }, 'tls: expected a certificate'],
  [
    'an API in HTTP/2',
    { apis: [{ name: 'bank', hosts: 'any', upstream: { url: 'https://core.example', http2: true } }] },
    'expected http2: false',
  ],
])('%s is refused when the configuration is read', (_what, more, found) => {
  expect(() =>
    configure(Object.fromEntries(Object.entries({ ...whole, ...more }).filter(([, each]) => each !== undefined))),
  ).toThrow(found)
})

test('a bootstrap goes where the gateway listens, or where it is told that it is reached', () => {
  const told = JSON.stringify(bootstrapFor(configure(whole), choice))
  expect(told).toContain('"pipe":{"path":"/run/countersign/envoy.sock"}')
  expect(told).toContain('"api_type":"DELTA_GRPC"')
  expect(told).toContain('"envoy.reloadable_features.ext_proc_graceful_grpc_close":true')
  const other = JSON.stringify(bootstrapFor(configure(whole), { ...choice, control: { host: 'gw', port: 7 } }))
  expect(other).toContain('"socket_address":{"address":"gw","port_value":7}')
  const { envoy: _none, ...embedded } = whole
  expect(() => bootstrapFor(configure(embedded), choice)).toThrow('envoy: expected the section')
})
