import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ConfigError, CountersignError, ProtocolError } from '../../engine/index.ts'
import type { PlaneHost, RunningPlane } from '../../engine/index.ts'
import type { HttpAnswer } from './codec/call.ts'
import { type HttpMessage, readHeaders } from './codec/http-message.ts'
import { jsonFault } from './codec/json-protocol.ts'
import type { SqsConfig } from './config.ts'
import { fault, faultOf } from './enforcer/denial.ts'
import { Enforcer } from './enforcer/enforcer.ts'
import { ReceiptHandles } from './enforcer/receipt-handles.ts'
import { exchange, type ExchangeRooms } from './exchange.ts'
import type { Queue, QueuePlace } from './normalizer/queue-name.ts'
import { Authentication } from './session/authentication.ts'
import { Callers } from './session/callers.ts'
import { Credentials } from './session/credentials.ts'
import { SecurityTokenService } from './session/sts.ts'
import { SqsUpstream } from './upstream.ts'
import { credentialSource } from './upstream-credentials.ts'

const MAX_HEADER_BYTES = 32 * 1024
/** For a request's head and body to come; longer than a slow client needs, shorter than a hostile one would like. */
const REQUEST_MS = 60_000

export async function openListener(config: SqsConfig, host: PlaneHost): Promise<RunningPlane> {
  const listener = new Listener(config, host)
  await listener.listen()
  return listener
}

/** HTTP connections of clients. Each request stands by itself; what outlives it is a caller's session in evidence. */
class Listener implements RunningPlane {
  readonly #config: SqsConfig
  readonly #host: PlaneHost
  readonly #server: Server
  readonly #callers: Callers
  /** Of each request under way: aborted when its client is gone, or the gateway closes. */
  readonly #waiting = new Set<AbortController>()
  #upstream: SqsUpstream | null = null
  #rooms: ExchangeRooms | null = null
  #draining = false

  constructor(config: SqsConfig, host: PlaneHost) {
    this.#config = config
    this.#host = host
    this.#callers = new Callers(host, config.limits.idleMs, Date.now)
    const settings = { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS }
    const serve: RequestListener = (request, response) => void this.#serve(request, response)
    this.#server =
      config.tls === null ? createServer(settings, serve) : createTlsServer({ ...settings, ...config.tls }, serve)
    this.#server.maxConnections = config.limits.connections
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address()
    return { host: this.#config.listen.host, port: isNet(address) ? address.port : 0 }
  }

  async listen(): Promise<void> {
    const { listen, upstream, place } = this.#config
    this.#upstream = new SqsUpstream(upstream, place.region, await credentialSource(upstream, place.region))
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => {
        const where = `planes.sqs.listen: can't listen on ${listen.host}:${listen.port}`
        reject(new ConfigError('ERR_CONFIG_PLANE', where, { cause }))
      })
      this.#server.listen(listen.port, listen.host, resolve)
    })
    this.#rooms = roomsOf(this.#config, this.#host, this.#upstream, this.#callers, this.address.port)
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true
    this.#server.close()
    this.#server.closeIdleConnections()
    const deadline = Date.now() + deadlineMs
    while (this.#waiting.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async close(): Promise<void> {
    this.#draining = true
    for (const each of this.#waiting) each.abort()
    this.#server.close()
    this.#server.closeAllConnections()
    await this.#upstream?.close()
    while (this.#waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, 5)) // each ends with its upstream
    await this.#callers.close('gateway stopped')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    this.#waiting.add(gone)
    response.on('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    response.on('error', () => undefined)
    try {
      const answer = await this.#answer(request, gone)
      if (this.#draining) response.setHeader('connection', 'close')
      response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) })
      response.end(answer.body)
    } catch (error) {
      // No answer could be made, or it can't be written: the client sees the connection end, never half an answer of ours.
      this.#host.log('sqs.request_failed', { code: error instanceof CountersignError ? error.code : 'unexpected' })
      response.destroy()
    } finally {
      this.#waiting.delete(gone)
    }
  }

  async #answer(request: IncomingMessage, gone: AbortController): Promise<HttpAnswer> {
    const rooms = this.#rooms
    const source = request.socket.remoteAddress ?? null
    if (rooms === null || this.#draining)
      return refusal('ServiceUnavailable', 'the gateway is shutting down: try again')
    if (this.#config.tls === null && !(this.#config.plaintextLoopback && isLoopback(source)))
      return refusal('AccessDenied', 'connections from other machines need TLS')
    try {
      const headers = readHeaders(request.rawHeaders)
      const body = await readBody(request, this.#config.limits.bodyBytes)
      const message: HttpMessage = { method: request.method ?? '', target: request.url ?? '', headers, body, source }
      return await exchange(message, gone, rooms)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // What comes after is not read, so that nothing else can come over this connection.
      return jsonFault({ ...faultOf(error), headers: { connection: 'close' } }, '')
    }
  }
}

function roomsOf(
  config: SqsConfig,
  host: PlaneHost,
  upstream: SqsUpstream,
  callers: Callers,
  port: number,
): ExchangeRooms {
  const { keys, lifetimeSeconds, listen, tls, patienceMs, staticKeys } = config
  const publicUrl = config.place.publicUrl ?? `${tls === null ? 'http' : 'https'}://${listen.host}:${port}`
  const place: QueuePlace = { ...config.place, publicUrl }
  const credentials = new Credentials(keys, Date.now)
  const rewriting = {
    place,
    handles: new ReceiptHandles(keys, Date.now),
    offers: offeredBy(config.queues),
    upstreamUrl: (queue: Queue) => upstream.queueUrl(queue),
  }
  return {
    authentication: new Authentication(host, credentials, staticKeys, Date.now),
    callers,
    enforcer: new Enforcer({ host, upstream, rewriting, patienceMs, now: Date.now }),
    sts: new SecurityTokenService({ host, credentials, account: place.account, lifetimeSeconds }),
    region: place.region,
  }
}

function offeredBy(queues: SqsConfig['queues']): (queue: Queue) => boolean {
  if (queues === 'any') return () => true
  const names = new Set(queues.filter((name) => !name.endsWith('*')))
  const beginnings = queues.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  return ({ name }) => names.has(name) || beginnings.some((beginning) => name.startsWith(beginning))
}

/** Rejects with ProtocolError as soon as more than `most` bytes have come; with Error when the client breaks off. */
function readBody(request: IncomingMessage, most: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= most) {
      chunks.push(chunk)
      return
    }
    request.pause()
    reject(new ProtocolError('ERR_PROTOCOL_FRAME_LENGTH', `the body is larger than ${most} bytes`))
  })
  request.on('end', () => {
    const [first] = chunks
    resolve(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks))
  })
  request.on('error', reject)
  request.on('close', () => reject(new Error('the client broke off')))
  return promise
}

function refusal(code: string, message: string): HttpAnswer {
  return jsonFault(fault(code, message), '')
}

function isLoopback(address: string | null): boolean {
  return address !== null && (address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.'))
}

function isNet(address: ReturnType<Server['address']>): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
