import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  createServer as createHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import { createServer as createTcp, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTls, type TLSSocket } from 'node:tls'
import type { HttpConfig } from '../config.ts'
import { NO_BYTES } from '../message.ts'

export type Incoming = IncomingMessage | Http2ServerRequest
export type Outgoing = ServerResponse | Http2ServerResponse

export interface FrontHandlers {
  /** `expects`: the client waits for a 100 before it sends the body. */
  request(incoming: Incoming, outgoing: Outgoing, expects: boolean): void
  upgrade(incoming: IncomingMessage, socket: Duplex, early: Buffer): void
  /** A connection that sent what is no HTTP. */
  malformed(code: string): void
}

/** A certificate is asked for, and may be anybody's: it counts where a token says that it belongs to it. */
const ALPN = {
  ALPNProtocols: ['h2', 'http/1.1'],
  minVersion: 'TLSv1.2',
  requestCert: true,
  rejectUnauthorized: false,
} as const

/** Everything that accepts connections: HTTP/1.1 and HTTP/2, told apart by ALPN, or without TLS by the first bytes. */
export interface Front {
  /** What listens. */
  readonly server: Server
  /** Ends idle connections; those with a request under way go on. */
  drain(): void
  /** Ends all of them. */
  close(): void
}

const MAX_HEADER_BYTES = 32 * 1024
const KEEP_ALIVE_MS = 60_000
/** Looked for slow heads this often. */
const CHECK_MS = 1000
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n')

/** Strict parsing throughout: what is malformed is answered by the parser, and nothing of it reaches us. */
const HTTP1 = {
  insecureHTTPParser: false,
  requireHostHeader: true,
  maxHeaderSize: MAX_HEADER_BYTES,
  keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: CHECK_MS,
  requestTimeout: 0, // of bodies, embedded/request-body.ts knows better
  shouldUpgradeCallback: ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === 'websocket',
} as const

const HTTP2 = {
  maxSessionMemory: 32,
  maxHeaderListPairs: 128,
  settings: { maxConcurrentStreams: 128, maxHeaderListSize: MAX_HEADER_BYTES, enableConnectProtocol: false },
} as const

export function openFront({ tls, limits }: HttpConfig, handlers: FrontHandlers): Front {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const one = createHttp1({ ...HTTP1, headersTimeout: limits.headMs })
  const two = createHttp2(HTTP2)
  one.maxHeadersCount = 0 // counted in normalizer/headers.ts, where too many are refused rather than cut off
  one.emit('listening') // it doesn't, but from here on it looks for slow heads
  wire(one, handlers)
  wire(two, handlers)
  two.on('session', (session) => keep(sessions, session))
  const taken = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  }
  const speak = (socket: Socket, isHttp2: boolean): void => void (isHttp2 ? two : one).emit('connection', socket)
  const server =
    tls === null
      ? createTcp({ noDelay: true, allowHalfOpen: true })
      : createTls({ ...tls, ...ALPN, handshakeTimeout: limits.headMs })
  if (tls === null)
    server.on('connection', (socket) => {
      taken(socket)
      tellApart(socket, limits.headMs, (isHttp2) => speak(socket, isHttp2))
    })
  else {
    server.on('connection', taken)
    server.on('secureConnection', (socket: TLSSocket) => {
      taken(socket)
      speak(socket, socket.alpnProtocol === 'h2')
    })
    server.on('tlsClientError', () => handlers.malformed('ERR_TLS_HANDSHAKE'))
  }
  server.maxConnections = limits.connections
  return {
    server,
    drain: () => {
      one.closeIdleConnections()
      for (const session of sessions) session.close()
    },
    close: () => {
      for (const session of sessions) session.destroy(new Error('the gateway stops')) // so that no answer looks whole
      for (const socket of sockets) socket.destroy()
      one.close()
    },
  }
}

/** Both servers have the same events; what differs are the classes of what comes with them. */
interface HttpServer {
  on(event: string, listener: (...given: never[]) => void): unknown
}

function wire(server: HttpServer, handlers: FrontHandlers): void {
  server.on('request', (incoming: Incoming, outgoing: Outgoing) => handlers.request(incoming, outgoing, false))
  server.on('checkContinue', (incoming: Incoming, outgoing: Outgoing) => handlers.request(incoming, outgoing, true))
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, early: Buffer) =>
    handlers.upgrade(incoming, socket, early),
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code !== 'ECONNRESET') handlers.malformed(error.code ?? 'unknown') // it has only gone
    if (!socket.writable) return
    const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
  server.on('sessionError', (error: NodeJS.ErrnoException) => handlers.malformed(error.code ?? 'unknown'))
}

function keep(sessions: Set<ServerHttp2Session>, session: ServerHttp2Session): void {
  sessions.add(session)
  session.on('close', () => sessions.delete(session))
  session.on('error', () => undefined)
  // Silence for so long ends it once its streams have ended; whoever serves those has a patience of their own.
  session.setTimeout(KEEP_ALIVE_MS, () => session.close())
}

/** HTTP/2 begins with a preface that is no request of HTTP/1 (RFC 9113, 3.4). */
function tellApart(socket: Socket, patienceMs: number, found: (isHttp2: boolean) => void): void {
  let seen: Buffer = NO_BYTES
  const late = setTimeout(() => socket.destroy(), patienceMs)
  const decide = (isHttp2: boolean): void => {
    clearTimeout(late)
    socket.off('readable', onReadable)
    socket.off('end', onEnd)
    if (seen.length > 0) socket.unshift(seen)
    found(isHttp2)
  }
  const onEnd = (): void => {
    clearTimeout(late)
    socket.end()
  }
  const onReadable = (): void => {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) return
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const known = Math.min(seen.length, PREFACE.length)
    const isPrefix = seen.subarray(0, known).equals(PREFACE.subarray(0, known))
    if (!isPrefix || known === PREFACE.length) decide(isPrefix)
  }
  socket.on('readable', onReadable)
  socket.on('end', onEnd)
  socket.on('close', () => clearTimeout(late))
}
