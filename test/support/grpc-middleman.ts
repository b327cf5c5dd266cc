import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'

/** What Envoy asks in one message, by the field of the message that is set. */
export type Part = 'request_headers' | 'request_body' | 'response_headers' | 'response_body'

const PARTS: Readonly<Record<number, Part>> = {
  2: 'request_headers',
  3: 'response_headers',
  4: 'request_body',
  5: 'response_body',
}

/** What a fault can do to the exchange in hand. */
export interface Hands {
  readonly part: Part
  /** Passes Envoy's message on, and the processor's answer back. */
  forward(): void
  /** Answers in the processor's place. */
  reply(message: Buffer): void
  /** Ends the stream with this status, in trailers; 0 is a clean end. */
  end(status: number): void
  /** Ends it with headers alone, where nothing was answered yet. */
  endAtOnce(status: number): void
  reset(): void
  /** As when the process is killed. */
  breakConnection(): void
  goAway(): void
  /** Called when the processor has answered this message and the answer has gone on. */
  afterAnswer(then: () => void): void
  /** Changes the processor's answer to this message. */
  changeAnswer(change: (message: Buffer) => Buffer): void
}

export interface Armed {
  readonly part: Part
  readonly act: (hands: Hands) => void
  /** So many messages about that part go on untouched before. */
  readonly spare?: number
}

/** The field of an answer about an answer's body. */
const RESPONSE_BODY_ANSWERED = 4
const PROCESS = '/envoy.service.ext_proc.v3.ExternalProcessor/Process'

/** Stands between Envoy and the processor, speaks gRPC with both, and does harm where it is told to. */
export class GrpcMiddleman {
  /** Where Envoy dials. */
  readonly port: number
  #server: Http2Server | null = null
  readonly #sessions = new Set<ServerHttp2Session>()
  #client: ClientHttp2Session | null = null
  #target = ''
  #armed: Armed | null = null
  /** Exchanges to which the fault was done. */
  done = 0
  /** Bytes of answers' bodies that the processor has given back, with what surrounds them in their messages. */
  released = 0

  constructor(port: number) {
    this.port = port
  }

  /** Where the processor listens. */
  set target(address: { readonly host: string; readonly port: number }) {
    this.#target = `http://${address.host}:${address.port}`
  }

  async listen(): Promise<void> {
    const server = createServer()
    server.on('session', (session) => {
      this.#sessions.add(session)
      session.on('close', () => this.#sessions.delete(session))
      session.on('error', () => undefined)
    })
    server.on('stream', (stream, headers) => this.#serve(stream, headers))
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
  }

  /** Nobody listens any more, and every connection is broken. */
  async down(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = once(server, 'close')
    server.close()
    for (const session of this.#sessions) session.socket.destroy()
    await closed
  }

  arm(armed: Armed): void {
    this.#armed = armed
    this.done = 0
    this.released = 0
  }

  disarm(): void {
    this.#armed = null
  }

  async close(): Promise<void> {
    await this.down()
    this.#client?.destroy()
  }

  #upstream(): ClientHttp2Session {
    if (this.#client !== null && !this.#client.closed && !this.#client.destroyed) return this.#client
    const client = connect(this.#target)
    client.on('error', () => undefined)
    client.on('goaway', () => {
      if (this.#client === client) this.#client = null
    })
    this.#client = client
    return client
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined)
    const passed = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== ':authority'))
    const upstream = this.#upstream().request(passed, { endStream: false })
    upstream.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
    stream.on('close', () => upstream.close(constants.NGHTTP2_CANCEL))
    let trailers: Record<string, string> = {}
    let afterAnswer: (() => void) | null = null
    let change: ((message: Buffer) => Buffer) | null = null
    let spared = 0
    const bodies: number[] = []
    const begin = (): void => {
      if (stream.headersSent || stream.destroyed) return
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    }
    const end = (status: number): void => {
      begin()
      trailers = { 'grpc-status': String(status) }
      if (!stream.writableEnded) stream.end()
    }
    upstream.on('response', (answer, flags) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) === 0) return begin()
      if (!stream.headersSent) stream.respond(plain(answer), { endStream: true })
    })
    upstream.on('trailers', (found) => (trailers = plain(found)))
    upstream.on('end', () => {
      if (stream.headersSent && !stream.writableEnded) stream.end()
    })
    eachMessage(upstream, (message) => {
      if (stream.destroyed || stream.writableEnded) return
      stream.write(framed(change === null ? message : change(message)))
      change = null
      if ((message[0] ?? 0) >> 3 === RESPONSE_BODY_ANSWERED) this.released += bodies.shift() ?? 0
      const then = afterAnswer
      afterAnswer = null
      then?.()
    })
    stream.on('end', () => upstream.end())
    eachMessage(stream, (message) => {
      const part = headers[':path'] === PROCESS ? PARTS[(message[0] ?? 0) >> 3] : undefined
      const armed = this.#armed
      const forward = (): void => {
        if (part === 'response_body') bodies.push(message.length)
        upstream.write(framed(message))
      }
      if (armed === null || part !== armed.part) return forward()
      spared += 1
      if (spared <= (armed.spare ?? 0)) return forward()
      this.done += 1
      armed.act({
        part,
        forward,
        end,
        reply: (answer) => {
          begin()
          stream.write(framed(answer))
        },
        endAtOnce: (status) => {
          if (stream.headersSent) return end(status)
          stream.respond(
            { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) },
            { endStream: true },
          )
        },
        reset: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
        breakConnection: () => stream.session?.socket.destroy(),
        goAway: () => stream.session?.goaway(constants.NGHTTP2_NO_ERROR),
        afterAnswer: (then) => (afterAnswer = then),
        changeAnswer: (with_) => (change = with_),
      })
    })
  }
}

function plain(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Cuts a gRPC stream into its messages, none of which is compressed. */
function eachMessage(from: NodeJS.ReadableStream, found: (message: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  from.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const length = rest.readUInt32BE(1)
      found(rest.subarray(5, 5 + length))
      rest = rest.subarray(5 + length)
    }
  })
}
