import { chmod, lstat, unlink } from 'node:fs/promises'
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { ConfigError } from '../../../engine/index.ts'
import type { Address, MutualTls } from './settings.ts'

export type GrpcService = readonly [ServiceDefinition, UntypedServiceImplementation]

/** Room for what surrounds a body in its message. */
const ENVELOPE_BYTES = 1_048_576

/**
 * The gateway's end towards Envoy: configuration, processor and access log on one port. Whoever reaches it is told of
 * upstream credentials, so it is a Unix socket, or both ends prove themselves; plaintext is for laboratories on loopback.
 */
export class ControlServer {
  readonly #server: Server
  readonly #health = new HealthImplementation({ '': 'SERVING' })
  readonly #bound: string
  readonly address: Address

  static async open(
    listen: Address,
    tls: MutualTls | null,
    services: readonly GrpcService[],
    bodyBytes: number,
  ): Promise<ControlServer> {
    const server = new Server({
      'grpc.max_receive_message_length': bodyBytes + ENVELOPE_BYTES,
      'grpc.max_send_message_length': -1,
    })
    for (const [definition, implementation] of services) server.addService(definition, implementation)
    const target = listen.kind === 'unix' ? `unix:${listen.path}` : `${listen.host}:${listen.port}`
    if (listen.kind === 'unix') await removeStale(listen.path)
    const port = await bind(server, target, tls)
    if (listen.kind === 'unix') await chmod(listen.path, 0o660)
    const address = listen.kind === 'unix' ? listen : { ...listen, port }
    return new ControlServer(server, address.kind === 'unix' ? target : `${address.host}:${address.port}`, address)
  }

  private constructor(server: Server, bound: string, address: Address) {
    this.#server = server
    this.#bound = bound
    this.address = address
    this.#health.addToServer(server)
  }

  /** Envoy is told by GOAWAY, and asks another gateway; what runs has until then. */
  drain(deadlineMs: number): void {
    this.#health.setStatus('', 'NOT_SERVING')
    this.#server.drain(this.#bound, deadlineMs)
  }

  close(): void {
    this.#server.forceShutdown()
  }
}

/** What a gateway that was killed has left. Anything that is no socket stays, and binding fails. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (found?.isSocket() === true) await unlink(path)
}

function bind(server: Server, target: string, tls: MutualTls | null): Promise<number> {
  const credentials =
    tls === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          Buffer.from(tls.ca),
          [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
          true,
        )
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => {
      if (error === null) resolve(port)
      else {
        const found = `that it can't be done (${error.message})`
        reject(new ConfigError('ERR_CONFIG_SHAPE', `envoy.control: expected to listen on ${target}; found ${found}`))
      }
    })
  })
}
