import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import { register } from '@grpc/grpc-js-xds'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { bootstrap } from '../../planes/http/envoy/bootstrap.ts'
import type { Address } from '../../planes/http/envoy/settings.ts'
import { addressOf, any, OVER_ADS } from '../../planes/http/envoy/xds/wire-types.ts'
import type { JsonObject } from '../../engine/index.ts'
import { EnvoyProcess } from './envoy.ts'
import { freePort } from './free-port.ts'
import type { Follower } from './xds-changes.ts'

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: any('envoy.extensions.filters.http.router.v3.Router', {}),
}

function connectionFilter(more: JsonObject): JsonObject {
  const rds = { config_source: OVER_ADS, route_config_name: 'routes' }
  return any(MANAGER, { stat_prefix: 'changes', rds, http_filters: [ROUTER], ...more })
}

/** A real Envoy before two HTTP servers. */
export async function envoyFollower(): Promise<Follower> {
  const servers = [0, 1].map((name) => createServer((_request, response) => void response.end(String(name))))
  const backends = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 }
    }),
  )
  const listen = { host: '127.0.0.1', port: await freePort() }
  const filter = { name: 'http', typed_config: connectionFilter({}) }
  const listener = (name: string, port: number, filters: JsonObject[]): Follower['listener'] => ({
    kind: 'listener',
    name,
    message: { name, address: addressOf({ kind: 'tcp', host: listen.host, port }), filter_chains: [{ filters }] },
  })
  const nameless = listener('nameless', await freePort(), [
    { name: 'http', typed_config: connectionFilter({ stat_prefix: '' }) },
  ])
  const dispatcher = new Agent({ connections: 8 })
  const directory = await mkdtemp(join(tmpdir(), 'countersign-xds-'))
  let envoy: EnvoyProcess | null = null
  const ask = async (): Promise<number> => {
    const { statusCode, body } = await request(`http://${listen.host}:${listen.port}/`, { dispatcher })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${statusCode} ${text}`)
    return Number(text)
  }
  return {
    backends,
    listener: listener('changes', listen.port, [filter]),
    routeMatch: { prefix: '/' },
    clusterOptions: {},
    unacceptable: (written) => [...written, nameless],
    ask,
    start: async (control) => {
      const admin = { host: '127.0.0.1', port: await freePort() }
      const file = join(directory, 'bootstrap.json')
      await writeFile(file, JSON.stringify(bootstrap({ node: 'changes', control, controlTls: null, admin })))
      envoy = await EnvoyProcess.start({ bootstrap: file, admin })
      await firstAnswer(ask)
    },
    stop: async () => {
      await envoy?.stop()
      await dispatcher.close()
      for (const server of servers) server.close().closeAllConnections()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const NAMED = '/countersign.Named/Name'
const identity = (bytes: Buffer): Buffer => bytes

/** gRPC's own client before two servers of one method that tells their name. */
export async function grpcFollower(): Promise<Follower> {
  const definition = {
    Name: {
      path: NAMED,
      requestStream: false,
      responseStream: false,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  }
  const servers = [0, 1].map((name) => {
    const server = new Server()
    server.addService(definition, {
      Name: (_call: unknown, reply: (error: null, bytes: Buffer) => void) => reply(null, Buffer.from(String(name))),
    })
    return server
  })
  const backends = await Promise.all(servers.map(async (server) => ({ host: '127.0.0.1', port: await bound(server) })))
  let client: Client | null = null
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const deadline = { deadline: Date.now() + 10_000 }
      client?.makeUnaryRequest(NAMED, identity, identity, Buffer.alloc(0), new Metadata(), deadline, (error, bytes) =>
        error === null ? resolve(Number(String(bytes))) : reject(error),
      )
    })
  const message = { name: 'changes', api_listener: { api_listener: connectionFilter({}) } }
  return {
    backends,
    listener: { kind: 'listener', name: 'changes', message },
    routeMatch: { prefix: '' },
    clusterOptions: { lb_policy: 'ROUND_ROBIN' },
    // Nothing that it doesn't name ever reaches it: of what it holds, one cluster becomes of a type that it hasn't got.
    unacceptable: (written) =>
      written.flatMap((each) => {
        if (each.kind === 'endpoints') return []
        return each.kind === 'cluster' ? { ...each, message: { name: each.name, type: 'ORIGINAL_DST' } } : each
      }),
    ask,
    start: async (control) => {
      process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({
        xds_servers: [
          { server_uri: target(control), channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
        ],
        node: { id: 'changes', locality: {} },
      })
      register()
      client = new Client('xds:///changes', credentials.createInsecure())
      await firstAnswer(ask)
    },
    stop: async () => {
      client?.close()
      for (const server of servers) server.forceShutdown()
      await Promise.resolve()
    },
  }
}

function bound(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
}

function target(control: Address): string {
  return control.kind === 'unix' ? `unix:${control.path}` : `${control.host}:${control.port}`
}

async function firstAnswer(ask: () => Promise<number>): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(20)
    }
  }
}
