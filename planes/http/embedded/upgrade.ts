import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from 'node:http'
import { ObligationError } from '../../../engine/index.ts'
import type { EnteredCaller, Forwarded } from '../exchange.ts'
import { type Answer, type HeaderLine, headerLines, type ResponseHead } from '../message.ts'
import { type Around, requestHead, type ServeRooms } from './serve.ts'
import { upstreamError } from './upstream.ts'

/**
 * A request to go on as WebSocket. Policy decides it as a whole (`http.upgrade`): what is said over it is recorded as bytes,
 * judged by nobody, so it is refused where anything of the answer is owed a mask. Ends with the caller's token.
 */
export async function serveUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  early: Buffer,
  around: Around,
  { exchange, limits }: ServeRooms,
): Promise<void> {
  const head = requestHead(incoming, around.isTls)
  const admitted = await exchange.admit(head, around.source, around.gone, around.certificate)
  if (admitted.kind === 'answer') return writeAnswer(socket, admitted.answer)
  const { caller } = admitted
  try {
    const judged = await exchange.judgeRequest({ head, body: { kind: 'none' } }, caller)
    if (judged.kind === 'answer') await writeAnswer(socket, judged.answer)
    else await carriedOver(judged, caller, socket, early, limits.maskedBytes)
  } finally {
    caller.leave()
  }
}

interface Switched {
  readonly head: ResponseHead
  /** Null: the upstream doesn't go on, and answers instead. */
  readonly socket: Duplex | null
  readonly early: Buffer
  readonly message: IncomingMessage
}

async function carriedOver(
  { api, head, gate }: Forwarded,
  { gone }: EnteredCaller,
  client: Duplex,
  early: Buffer,
  most: number,
): Promise<void> {
  let switched: Switched
  try {
    const send = api.origin.protocol === 'https:' ? httpsRequest : httpRequest
    const asked = send({
      hostname: api.origin.hostname.replace(/^\[|\]$/g, ''),
      port: api.origin.port,
      method: head.method,
      path: head.target,
      headers: ['host', head.authority, ...head.headers.flat(), 'connection', 'Upgrade', 'upgrade', 'websocket'],
      ...(api.ca === null ? {} : { ca: api.ca }),
      ...api.certificate?.read(),
      agent: false,
      signal: gone,
    })
    switched = await switchedOver(asked)
  } catch (error) {
    return writeAnswer(client, await gate.failed(upstreamError(error)))
  }
  if (switched.socket === null) {
    gate.begin(switched.head)
    return writeAnswer(client, await bodyOf(switched.message, most).then((body) => gate.whole(body)))
  }
  const begun = gate.begin(switched.head)
  const shown = begun.kind === 'streamed' ? begun.head : switched.head
  const upstream = switched.socket
  const release = gate.onOver(() => {
    client.destroy()
    upstream.destroy()
  })
  try {
    client.write(
      headText(shown, [
        ['connection', 'Upgrade'],
        ['upgrade', 'websocket'],
      ]),
    )
    await joined(client, early, upstream, switched.early, (bytes) => gate.push(bytes))
    await gate.end()
  } catch (error) {
    if (!(error instanceof ObligationError)) await gate.broken(upstreamError(error).code)
  } finally {
    release()
    upstream.destroy()
  }
}

function headOf({ statusCode, rawHeaders }: IncomingMessage): ResponseHead {
  return { status: statusCode ?? 502, headers: headerLines(rawHeaders) }
}

function switchedOver(asked: ClientRequest): Promise<Switched> {
  return new Promise((resolve, reject) => {
    asked.on('upgrade', (message, socket, early) => {
      socket.on('error', () => undefined)
      resolve({ head: headOf(message), socket, early, message })
    })
    asked.on('response', (message) => resolve({ head: headOf(message), socket: null, early: Buffer.alloc(0), message }))
    asked.on('error', reject)
    asked.end()
  })
}

/** Until either side ends. What comes from the upstream is recorded before it goes on. */
async function joined(
  client: Duplex,
  clientEarly: Buffer,
  upstream: Duplex,
  upstreamEarly: Buffer,
  push: (bytes: Buffer) => Promise<Buffer>,
): Promise<void> {
  if (clientEarly.length > 0) upstream.write(clientEarly)
  client.pipe(upstream)
  client.on('close', () => upstream.destroy())
  if (upstreamEarly.length > 0) client.write(await push(upstreamEarly))
  try {
    for await (const piece of upstream) {
      const chunk: Buffer = piece
      const isFull = !client.write(await push(chunk))
      if (isFull) await new Promise<void>((resolve) => client.once('drain', resolve).once('close', resolve))
    }
  } catch (error) {
    if (!client.destroyed) throw error
  }
}

async function bodyOf(message: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const piece of message) {
    const chunk: Buffer = piece
    bytes += chunk.length
    if (bytes <= most) chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function writeAnswer(socket: Duplex, { body, ...head }: Answer): Promise<void> {
  return new Promise((resolve) => {
    socket.on('close', resolve)
    socket.write(
      headText(head, [
        ['connection', 'close'],
        ['content-length', String(body.length)],
      ]),
    )
    socket.end(body, () => resolve())
  })
}

function headText({ status, headers }: ResponseHead, more: readonly HeaderLine[]): Buffer {
  const lines = [...headers, ...more].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines}\r\n`, 'latin1')
}
