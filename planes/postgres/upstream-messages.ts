import { CountersignError, ProtocolError, UpstreamError } from '../../engine/index.ts'
import { type BackendMessage, decodeBackend, type ErrorFields } from './codec/backend-messages.ts'
import { backendLimits } from './codec/frame-limits.ts'
import { FrameReader } from './codec/frame.ts'
import type { UpstreamSocket } from './upstream-transport.ts'

interface Waiter {
  readonly resolve: (message: BackendMessage) => void
  readonly reject: (error: Error) => void
}

/**
 * The server's messages one after another, for a connection on which the gateway itself is the client. One `next` at a
 * time. Any failure destroys the socket and is what every later `next` rejects with.
 */
export class UpstreamMessages {
  readonly #socket: UpstreamSocket
  readonly #reader: FrameReader
  #waiter: Waiter | null = null
  #failure: Error | null = null
  readonly #onData = (chunk: Buffer): void => {
    this.#reader.push(chunk)
    this.#wake()
  }
  readonly #onClose = (): void => {
    this.fail(new UpstreamError('ERR_UPSTREAM_CLOSED', 'the server closed the connection', { retryable: true }))
  }

  /** `first`: bytes that the socket's earlier owner had read and not used. */
  constructor(socket: UpstreamSocket, maxFrameBytes: number, first: Buffer = Buffer.alloc(0)) {
    this.#socket = socket
    this.#reader = new FrameReader({ maxFrameBytes, limits: backendLimits(maxFrameBytes) })
    this.#reader.push(first)
    socket.on('data', this.#onData)
    socket.once('close', this.#onClose)
    socket.resume()
  }

  get failed(): boolean {
    return this.#failure !== null
  }

  next(): Promise<BackendMessage> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#wake()
    })
  }

  /** Ends the connection, for this reason unless it has failed already. */
  fail(reason: Error): void {
    this.#failure ??= reason
    this.#socket.destroy()
    const waiter = this.#waiter
    this.#waiter = null
    waiter?.reject(this.#failure)
  }

  /** Gives the socket back, paused, with the bytes that nobody has read. Throws when the connection has failed. */
  release(): Buffer {
    if (this.#failure !== null) throw this.#failure
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#socket.off('close', this.#onClose)
    return this.#reader.takeRest()
  }

  #wake(): void {
    if (this.#waiter === null) return
    try {
      const message = this.#read()
      if (message === null) return
      const waiter = this.#waiter
      this.#waiter = null
      waiter.resolve(message)
    } catch (error) {
      this.fail(asUpstreamError(error))
    }
  }

  #read(): BackendMessage | null {
    if (this.#failure !== null) throw this.#failure
    if (!this.#reader.advance()) return null
    const { type, buffer, bodyStart, end } = this.#reader
    return decodeBackend(type, buffer, bodyStart, end)
  }
}

/** What the server's ErrorResponse said; the `cause` of the UpstreamError made of it. */
export class ServerRefusal extends Error {
  readonly fields: ErrorFields

  constructor(fields: ErrorFields) {
    super(`${sqlstate(fields)} ${fields.get('M') ?? ''}`)
    this.name = 'ServerRefusal'
    this.fields = fields
  }

  get sqlstate(): string {
    return sqlstate(this.fields)
  }
}

/** SQLSTATE of an ErrorResponse, `XX000` where the server gives none of the right shape. */
function sqlstate(fields: ErrorFields): string {
  const code = fields.get('C') ?? ''
  return /^[0-9A-Z]{5}$/.test(code) ? code : 'XX000'
}

/** Names what was expected and what came; never the message's content. */
export function unexpected(message: BackendMessage, expected: string): UpstreamError {
  return new UpstreamError('ERR_UPSTREAM_PROTOCOL', `${expected} was expected of the server, ${message.kind} came`)
}

function asUpstreamError(error: unknown): Error {
  if (error instanceof ProtocolError) {
    return new UpstreamError('ERR_UPSTREAM_PROTOCOL', `the server broke the protocol: ${error.message}`, {
      cause: error,
    })
  }
  if (error instanceof CountersignError) return error
  return new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'a message of the server could not be read', { cause: error })
}
