import { Readable } from 'node:stream'
import { type EvidenceError, ObligationError, ProtocolError, UpstreamError } from '../../../engine/index.ts'
import type { Begun } from '../enforcer/answer-gate.ts'
import { answerOf, denialOf } from '../enforcer/denial.ts'
import type { EnteredCaller, Exchange, Forwarded } from '../exchange.ts'
import { type Answer, type HeaderLine, headerLines, type RequestHead } from '../message.ts'
import { answerChannel, type AnswerChannel } from './answer-channel.ts'
import type { Incoming, Outgoing } from './front.ts'
import { type ArrivingBody, type BodyLimits, hasBody, isSureToStream, readBody, streamedBody } from './request-body.ts'
import { type UpstreamAnswer, upstreamError, type Upstreams } from './upstream.ts'

export interface ServeRooms {
  readonly exchange: Exchange
  readonly upstreams: Upstreams
  readonly limits: BodyLimits & { readonly maskedBytes: number }
}

/** What a connection tells of its client. */
export interface Around {
  readonly source: string | null
  readonly isTls: boolean
  /** SHA-256 of the certificate that it has proven, base64url; null: none. */
  readonly certificate: string | null
  /** Aborted when it is gone. */
  readonly gone: AbortSignal
}

/** One request of one client, from its head to the last byte of its answer. Throws EvidenceError where nothing was answered. */
export async function serve(
  incoming: Incoming,
  outgoing: Outgoing,
  expects: boolean,
  around: Around,
  rooms: ServeRooms,
): Promise<void> {
  const head = requestHead(incoming, around.isTls)
  const channel = answerChannel(outgoing, head, around.gone)
  const admitted = await rooms.exchange.admit(head, around.source, around.gone, around.certificate)
  if (admitted.kind === 'answer') return channel.send(admitted.answer, hasBody(incoming, head))
  const { caller } = admitted
  try {
    // Without a body there is nothing to wait for, and judging looks at the head itself.
    const early = hasBody(incoming, head) ? await rooms.exchange.refuseHead(head, caller) : null
    if (early !== null) return await channel.send(early, true)
    await exchanged(incoming, head, channel, expects, caller, rooms)
  } finally {
    caller.leave()
  }
}

async function exchanged(
  incoming: Incoming,
  head: RequestHead,
  channel: AnswerChannel,
  expects: boolean,
  caller: EnteredCaller,
  rooms: ServeRooms,
): Promise<void> {
  // The body is asked for where policy has to see it; one that is streamed is decided first.
  const isDecidedFirst = expects && isSureToStream(head, rooms.limits)
  if (expects && !isDecidedFirst && hasBody(incoming, head)) channel.continue()
  const arriving = await arrivingBody(incoming, head, caller, rooms)
  if (arriving.kind === 'answer') return channel.send(arriving.answer, true)
  const judged = await rooms.exchange.judgeRequest({ head, body: arriving.body }, caller)
  if (judged.kind === 'answer') return channel.send(judged.answer, arriving.kind === 'streamed')
  if (isDecidedFirst) channel.continue()
  await carriedOut(judged, bodyFor(judged, arriving, incoming, rooms.limits), channel, caller, rooms)
}

async function arrivingBody(
  incoming: Incoming,
  head: RequestHead,
  caller: EnteredCaller,
  { exchange, limits }: ServeRooms,
): Promise<ArrivingBody | { readonly kind: 'answer'; readonly answer: Answer }> {
  try {
    return await readBody(incoming, head, limits)
  } catch (error) {
    if (error instanceof ProtocolError) return { kind: 'answer', answer: await exchange.refuse(error, head, caller) }
    throw error
  }
}

function bodyFor(
  { body }: Forwarded,
  arriving: ArrivingBody,
  incoming: Incoming,
  limits: BodyLimits,
): Buffer | Readable | null {
  if (body.kind === 'none') return null
  if (body.kind === 'whole') return body.bytes
  return Readable.from(streamedBody(incoming, arriving.kind === 'streamed' ? arriving.begun : [], limits), {
    objectMode: false,
  })
}

async function carriedOut(
  forwarded: Forwarded,
  body: Buffer | Readable | null,
  channel: AnswerChannel,
  { gone }: EnteredCaller,
  { upstreams }: ServeRooms,
): Promise<void> {
  const { api, head, gate } = forwarded
  const declared = forwarded.body.kind === 'streamed' ? forwarded.body.declared : null
  let answer: UpstreamAnswer
  try {
    answer = await upstreams.send(api, head, body, declared, gone)
  } catch (error) {
    const failed = await gate.failed(upstreamError(error))
    return channel.send(failed, forwarded.body.kind === 'streamed')
  }
  const begun = gate.begin(answer.head)
  if (begun.kind === 'whole') return channel.send(await wholeAnswer(forwarded, answer, begun.most), false)
  await streamed(forwarded, answer, begun, channel)
}

async function wholeAnswer({ gate }: Forwarded, { body, trailers }: UpstreamAnswer, most: number): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of body) {
      const chunk: Buffer = piece
      bytes += chunk.length
      if (bytes > most) return await gate.tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    return gate.failed(upstreamError(error))
  }
  return gate.whole(Buffer.concat(chunks, bytes), trailers())
}

/** Piece by piece, no faster than the client takes them. The last one waits until the outcome is on disk. */
async function streamed(
  { gate }: Forwarded,
  answer: UpstreamAnswer,
  { head, length }: Extract<Begun, { kind: 'streamed' }>,
  channel: AnswerChannel,
): Promise<void> {
  let [left, isSettled] = [length, false]
  channel.begin(head, length)
  const release = gate.onOver(() => {
    channel.destroy()
    answer.body.destroy()
  })
  try {
    for await (const piece of answer.body) {
      const chunk: Buffer = piece
      const shown = await gate.push(chunk)
      if (left !== null) left -= chunk.length
      if (left === 0) {
        await gate.end()
        isSettled = true
      }
      if (!(await channel.write(shown))) throw clientGone()
    }
    const rest = isSettled ? null : await gate.end()
    isSettled = true
    await channel.end(rest, gate.trailers(answer.trailers()))
  } catch (error) {
    channel.destroy()
    answer.body.destroy()
    if (error instanceof ObligationError) return // the gate has recorded it
    if (isSettled) return // recorded as it was; the client left before its last byte
    await gate.broken(upstreamError(error).code)
  } finally {
    release()
  }
}

function clientGone(): UpstreamError {
  return new UpstreamError('ERR_UPSTREAM_CLOSED', 'the client went away')
}

/** What a parser made of a request, put back into what was sent. */
export function requestHead(incoming: Incoming, isTls: boolean): RequestHead {
  const lines = headerLines(incoming.rawHeaders)
  const headers = lines.filter(([name]) => !name.startsWith(':'))
  const authority =
    lines.find(([name]) => name === ':authority')?.[1] ?? headers.find(([name]) => name.toLowerCase() === 'host')?.[1]
  return {
    version: 'stream' in incoming ? '2' : incoming.httpVersion === '1.0' ? '1.0' : '1.1',
    method: incoming.method ?? '',
    scheme: isTls ? 'https' : 'http',
    authority: authority ?? '',
    target: incoming.url ?? '',
    headers: 'stream' in incoming ? joinedCookies(headers) : headers,
  }
}

/** HTTP/2 may cut cookies into lines (RFC 9113, 8.2.3); in HTTP/1 they are one. */
function joinedCookies(headers: readonly HeaderLine[]): readonly HeaderLine[] {
  const cookies = headers.filter(([name]) => name === 'cookie').map(([, value]) => value)
  if (cookies.length < 2) return headers
  return [...headers.filter(([name]) => name !== 'cookie'), ['cookie', cookies.join('; ')]]
}

/** When nothing can be recorded any more: said once, and nothing else. */
export function unavailable(error: EvidenceError, incoming: Incoming): Answer {
  return answerOf(denialOf(error), requestHead(incoming, true))
}
