import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { ConfigError, CountersignError, EvidenceError } from '../../../engine/index.ts'
import type { PlaneHost, RunningPlane } from '../../../engine/index.ts'
import type { HttpConfig } from '../config.ts'
import { Exchange } from '../exchange.ts'
import { Callers } from '../session/callers.ts'
import { brokenOff } from './answer-channel.ts'
import { type Front, type Incoming, openFront, type Outgoing } from './front.ts'
import { type Around, serve, type ServeRooms, unavailable } from './serve.ts'
import { serveUpgrade } from './upgrade.ts'
import { Upstreams } from './upstream.ts'

export async function openListener(config: HttpConfig, host: PlaneHost): Promise<RunningPlane> {
  const listener = new Listener(config, host)
  await listener.listen()
  return listener
}

/** Connections of clients. Each request stands by itself; what outlives it is a caller's session in evidence. */
class Listener implements RunningPlane {
  readonly #config: HttpConfig
  readonly #host: PlaneHost
  readonly #front: Front
  readonly #callers: Callers
  readonly #rooms: ServeRooms
  readonly #closing = new AbortController()
  #running = 0
  #draining = false

  constructor(config: HttpConfig, host: PlaneHost) {
    this.#config = config
    this.#host = host
    const { limits, apis, patienceMs } = config
    this.#callers = new Callers(host, limits.idleMs, Date.now)
    const exchange = new Exchange({
      host,
      callers: this.#callers,
      apis,
      patienceMs,
      maskedBytes: limits.maskedBytes,
      now: Date.now,
    })
    this.#rooms = { exchange, upstreams: new Upstreams(limits.answerMs), limits }
    this.#front = openFront(config, {
      request: (incoming, outgoing, expects) => void this.#serve(incoming, outgoing, expects),
      upgrade: (incoming, socket, early) => void this.#upgrade(incoming, socket, early),
      malformed: (code) => host.log('http.malformed', { code }),
    })
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#front.server.address()
    return { host: this.#config.listen.host, port: isNet(address) ? address.port : 0 }
  }

  async listen(): Promise<void> {
    const { host, port } = this.#config.listen
    const { server } = this.#front
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(new ConfigError('ERR_CONFIG_PLANE', `planes.http.listen: can't listen on ${host}:${port}`, { cause }))
      })
      server.listen(port, host, resolve)
    })
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true
    this.#front.server.close()
    this.#front.drain()
    const deadline = Date.now() + deadlineMs
    while (this.#running > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async close(): Promise<void> {
    this.#draining = true
    this.#closing.abort()
    this.#front.server.close()
    this.#front.close()
    await this.#rooms.upstreams.close()
    while (this.#running > 0) await new Promise((resolve) => setTimeout(resolve, 5)) // each ends with its upstream
    await this.#callers.close('gateway stopped')
  }

  async #serve(incoming: Incoming, outgoing: Outgoing, expects: boolean): Promise<void> {
    const gone = new AbortController()
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) gone.abort()
    })
    outgoing.on('error', () => undefined)
    incoming.on('error', () => undefined)
    if (!this.#takes(incoming)) return void outgoing.destroy()
    this.#running += 1
    try {
      await serve(incoming, outgoing, expects, this.#around(incoming, gone.signal), this.#rooms)
    } catch (error) {
      // Nothing was answered yet, or it can't be: the client never sees half an answer of ours.
      this.#failed(error)
      if (error instanceof EvidenceError && !outgoing.headersSent) refuse(outgoing, unavailable(error, incoming))
      else brokenOff(outgoing)
    } finally {
      this.#running -= 1
    }
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, early: Buffer): Promise<void> {
    const gone = new AbortController()
    socket.on('close', () => gone.abort())
    socket.on('error', () => undefined)
    if (!this.#takes(incoming)) return void socket.destroy()
    this.#running += 1
    try {
      await serveUpgrade(incoming, socket, early, this.#around(incoming, gone.signal), this.#rooms)
    } catch (error) {
      this.#failed(error)
    } finally {
      socket.destroy()
      this.#running -= 1
    }
  }

  #failed(error: unknown): void {
    this.#host.log('http.request_failed', { code: error instanceof CountersignError ? error.code : 'unexpected' })
  }

  /** Without TLS, from this machine only. A request line without a version is HTTP/0.9, which has no headers to judge. */
  #takes({ socket, httpVersionMajor }: Incoming): boolean {
    if (this.#draining || httpVersionMajor < 1) return false
    return this.#config.tls !== null || (this.#config.plaintextLoopback && isLoopback(socket.remoteAddress ?? null))
  }

  #around(incoming: Incoming, gone: AbortSignal): Around {
    return {
      source: incoming.socket.remoteAddress ?? null,
      isTls: this.#config.tls !== null,
      certificate: certificateOf(incoming),
      gone: AbortSignal.any([gone, this.#closing.signal]),
    }
  }
}

/** As RFC 8705 writes it. */
function certificateOf({ socket }: Incoming): string | null {
  if (!(socket instanceof TLSSocket)) return null
  const { raw }: { raw?: Buffer } = socket.getPeerCertificate()
  return raw === undefined ? null : createHash('sha256').update(raw).digest('base64url')
}

function refuse(outgoing: Outgoing, { status, headers, body }: ReturnType<typeof unavailable>): void {
  outgoing.statusCode = status
  for (const [name, value] of headers) outgoing.setHeader(name, value)
  outgoing.end(body)
}

function isLoopback(address: string | null): boolean {
  return address !== null && (address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.'))
}

function isNet(address: ReturnType<Front['server']['address']>): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
