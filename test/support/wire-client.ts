import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type BackendMessage, decodeBackend } from '../../planes/postgres/codec/backend-messages.ts'
import { FrameReader } from '../../planes/postgres/codec/frame.ts'
import {
  encodeFrontend,
  encodeStartup,
  type FrontendMessage,
  type StartupMessage,
} from '../../planes/postgres/codec/frontend-messages.ts'
import { passwordBody } from '../../planes/postgres/codec/frontend-messages.ts'
import { Writer } from '../../planes/postgres/codec/writer.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** A client that sends exactly what a test says and shows exactly what came back; no driver would do either. */
export class WireClient {
  readonly #socket: Socket
  readonly #reader = new FrameReader({ maxFrameBytes: 64 * 1024 * 1024 })
  readonly #arrived: BackendMessage[] = []
  /** Every byte that came, for searching canaries in. */
  readonly bytes: Buffer[] = []
  #wake = Promise.withResolvers<void>()
  #closed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#closed = true
      this.#wake.resolve()
    })
  }

  /** Goes on where somebody else has logged in. */
  static over(socket: Socket): WireClient {
    const client = new WireClient(socket)
    socket.resume()
    return client
  }

  static async connect({ host, port }: Address): Promise<WireClient> {
    const socket = connect({ host, port, noDelay: true })
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  /** Connects, says who it is, and waits until it may ask. */
  static async open(
    address: Address,
    options: { readonly token: string; readonly database: string; readonly user?: string },
  ): Promise<WireClient> {
    const client = await WireClient.connect(address)
    const parameters = new Map([
      ['user', options.user ?? 'reconciler'],
      ['database', options.database],
    ])
    client.startup({ kind: 'startup', minor: 0, parameters })
    await client.until('authenticationCleartextPassword')
    client.send({ kind: 'password', body: passwordBody(options.token) })
    await client.until('readyForQuery')
    return client
  }

  get closed(): boolean {
    return this.#closed
  }

  startup(message: StartupMessage): void {
    const writer = new Writer()
    encodeStartup(writer, message)
    this.raw(writer.take())
  }

  /** All in one write: what a pipelining driver does. */
  send(...messages: readonly FrontendMessage[]): void {
    const writer = new Writer()
    for (const message of messages) encodeFrontend(writer, message)
    this.raw(writer.take())
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Everything up to and with the next message of this kind. Throws when the connection ends first. */
  async until(kind: BackendMessage['kind']): Promise<BackendMessage[]> {
    for (;;) {
      const index = this.#arrived.findIndex((message) => message.kind === kind)
      if (index >= 0) return this.#arrived.splice(0, index + 1)
      if (this.#closed) throw new Error(`closed before ${kind}; came: ${JSON.stringify(this.#arrived.map(brief))}`)
      await this.#wake.promise
    }
  }

  /** Everything until the server closes. */
  async untilClosed(): Promise<BackendMessage[]> {
    while (!this.#closed) await this.#wake.promise
    return this.#arrived.splice(0)
  }

  /** What came within so many milliseconds and wasn't asked for yet. */
  async within(ms: number): Promise<BackendMessage[]> {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return this.#arrived.splice(0)
  }

  /** A simple query's answer. */
  async query(sql: string): Promise<BackendMessage[]> {
    this.send({ kind: 'query', sql })
    return this.until('readyForQuery')
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.bytes.push(Buffer.from(chunk))
    this.#reader.push(chunk)
    while (this.#reader.advance()) {
      const { type, buffer, bodyStart, end } = this.#reader
      this.#arrived.push(decodeBackend(type, buffer, bodyStart, end))
    }
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers<void>()
    resolve()
  }
}

/** Messages as one line each: `T id,ssn`, `D 1,*******1111`, `C SELECT 1`, `E 42501`, `Z I`. */
export function brief(message: BackendMessage): string {
  switch (message.kind) {
    case 'rowDescription':
      return `T ${message.fields.map((field) => field.name).join(',')}`
    case 'dataRow':
      return `D ${message.values.map((value) => value?.toString() ?? 'NULL').join(',')}`
    case 'commandComplete':
      return `C ${message.tag}`
    case 'errorResponse':
      return `E ${message.fields.get('C')}`
    case 'noticeResponse':
      return `N ${message.fields.get('M')}`
    case 'readyForQuery':
      return `Z ${message.status}`
    default:
      return message.kind
  }
}
