import { addAbortListener } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { UpstreamError } from '../../engine/index.ts'
import { encodeStartup } from './codec/frontend-messages.ts'
import { Writer } from './codec/writer.ts'

/** Where the server is and how the gateway proves itself to it. */
export interface UpstreamConfig {
  /** A name, an address, or the directory of a Unix socket (begins with `/`). */
  readonly host: string
  readonly port: number
  readonly database?: string
  readonly user: string
  /** null: the server is expected to ask for none. */
  readonly password: string | null
  /** Makes the password of one connection, in the place of one that stays; `signal` ends the waiting. Throws UpstreamError. */
  readonly makePassword?: (signal: AbortSignal) => Promise<string>
  readonly tls: UpstreamTls
  /** From the first packet to the first ReadyForQuery. */
  readonly connectTimeoutMs: number
}

export type UpstreamTls =
  | { readonly mode: 'off' }
  /** `ca`: PEM, null for the system's. `serverName`: what the certificate must name, null for `host`. */
  | { readonly mode: 'verify-full'; readonly ca: string | null; readonly serverName: string | null }

export type UpstreamSocket = net.Socket | tls.TLSSocket

const KEEPALIVE_MS = 30_000

/**
 * Opens the connection, with TLS where the configuration says so: there is no falling back to plain. The socket is
 * paused, and keeps a listener for `error`, so that a server's reset between two owners ends in `close`, not in a crash.
 * Throws UpstreamError; an abort leaves nothing open.
 */
export async function openTransport(config: UpstreamConfig, signal: AbortSignal): Promise<UpstreamSocket> {
  signal.throwIfAborted()
  const socket = net.connect(address(config))
  using _ = addAbortListener(signal, () => socket.destroy())
  try {
    await untilEvent(socket, 'connect', 'ERR_UPSTREAM_CONNECT')
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEPALIVE_MS)
    return config.tls.mode === 'off' ? socket : await startTls(socket, config, config.tls)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function address({ host, port }: UpstreamConfig): net.NetConnectOpts {
  return host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }
}

type VerifyFull = Extract<UpstreamTls, { mode: 'verify-full' }>

async function startTls(socket: net.Socket, config: UpstreamConfig, wanted: VerifyFull): Promise<tls.TLSSocket> {
  const request = new Writer(64)
  encodeStartup(request, { kind: 'sslRequest' })
  socket.write(request.take())
  await tlsAccepted(socket)
  const name = wanted.serverName ?? config.host
  const secured = tls.connect({
    socket,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['postgresql'],
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
    ...(net.isIP(name) === 0 ? { servername: name } : {}),
    ...(wanted.ca === null ? {} : { ca: wanted.ca }),
  })
  await untilEvent(secured, 'secureConnect', 'ERR_UPSTREAM_TLS')
  return secured.pause()
}

/** Resolves on `S`. Whatever else comes, an error text included, is from nobody who proved anything: not repeated. */
function tlsAccepted(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (problem: string): void => reject(new UpstreamError('ERR_UPSTREAM_TLS', problem))
    const closed = (): void => refuse('the server closed the connection instead of answering the request for TLS')
    socket.once('close', closed)
    socket.once('data', (answer) => {
      socket.off('close', closed)
      socket.pause()
      if (answer[0] !== 0x53) refuse('the server does not offer TLS, which the configuration asks for')
      // Bytes behind the S would be taken for the server's although they came before it proved itself (CVE-2021-23222).
      else if (answer.length > 1) refuse('the server sent more than its answer to the request for TLS')
      else resolve()
    })
  })
}

/** Waits for a socket to be usable. Leaves a listener for `error` on it. */
function untilEvent(
  socket: UpstreamSocket,
  event: 'connect' | 'secureConnect',
  code: 'ERR_UPSTREAM_CONNECT' | 'ERR_UPSTREAM_TLS',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const what = code === 'ERR_UPSTREAM_TLS' ? 'no TLS with the server' : 'no connection to the server'
    socket.once(event, () => resolve())
    socket.on('error', (cause) =>
      reject(new UpstreamError(code, `${what}: ${cause.message}`, { cause, retryable: true })),
    )
    socket.once('close', () => reject(new UpstreamError(code, `${what}: it was closed`, { retryable: true })))
  })
}
