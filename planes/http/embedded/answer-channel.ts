import { Http2ServerResponse } from 'node:http2'
import type { ServerResponse } from 'node:http'
import type { Answer, HeaderLine, RequestHead, ResponseHead } from '../message.ts'
import { headerLists } from '../normalizer/headers.ts'
import type { Outgoing } from './front.ts'

/** A client that takes nothing for so long is cut off. */
const STALLED_MS = 60_000

/** The way of one answer to its client, in HTTP/1 or HTTP/2. Never throws for a client that has gone. */
export interface AnswerChannel {
  /** The body may come now. */
  continue(): void
  /** `unread`: there is more of the request than was read, and the connection is of no more use. */
  send(answer: Answer, unread: boolean): Promise<void>
  begin(head: ResponseHead, length: number | null): void
  /** Resolves when more may come: false when the client has gone. */
  write(bytes: Buffer): Promise<boolean>
  end(rest: Buffer | null, trailers: readonly HeaderLine[]): Promise<void>
  destroy(): void
}

export function answerChannel(outgoing: Outgoing, head: RequestHead, gone: AbortSignal): AnswerChannel {
  const isHttp1 = !(outgoing instanceof Http2ServerResponse)
  const begin = ({ status, headers }: ResponseHead, more: readonly HeaderLine[]): void => {
    if (outgoing.headersSent || outgoing.destroyed) return
    writeHead(outgoing, status, [...headers, ...more])
  }
  return {
    continue: () => outgoing.writeContinue(),
    send: (answer, unread) => {
      const isWhole = answer.body.length === 0 && answer.trailers.length === 0 && !outgoing.headersSent
      if (outgoing instanceof Http2ServerResponse && isWhole) return headOnly(outgoing, answer)
      const isEmpty = head.method === 'HEAD' || answer.status === 204 || answer.status === 304
      const length: readonly HeaderLine[] =
        isEmpty || answer.trailers.length > 0 ? [] : [['content-length', String(answer.body.length)]]
      const close: readonly HeaderLine[] = unread && isHttp1 ? [['connection', 'close']] : []
      const announced: readonly HeaderLine[] =
        isHttp1 && answer.trailers.length > 0 ? [['trailer', answer.trailers.map(([name]) => name).join(', ')]] : []
      begin(answer, [...length, ...close, ...announced])
      return finish(outgoing, answer.body, answer.trailers, gone)
    },
    begin: (answered, length) => begin(answered, length === null ? [] : [['content-length', String(length)]]),
    write: (bytes) => written(outgoing, bytes, gone),
    end: (rest, trailers) => finish(outgoing, rest, trailers, gone),
    destroy: () => brokenOff(outgoing),
  }
}

/** So that no client takes what it has for all there is. */
export function brokenOff(outgoing: Outgoing): void {
  if (outgoing instanceof Http2ServerResponse) outgoing.destroy(new Error('the answer is broken off'))
  else outgoing.destroy()
}

function writeHead(outgoing: Outgoing, status: number, headers: readonly HeaderLine[]): void {
  if (outgoing instanceof Http2ServerResponse) outgoing.writeHead(status, headersByName(headers))
  else outgoing.writeHead(status, headers.flat())
}

function headersByName(headers: readonly HeaderLine[]): Record<string, string | string[]> {
  return Object.fromEntries(
    [...headerLists(headers)].map(([name, all]) => [name, all.length === 1 ? (all[0] ?? '') : [...all]]),
  )
}

/** The stream ends with its head: what a client of gRPC takes a status without a message by. */
function headOnly({ stream }: Http2ServerResponse, { status, headers }: ResponseHead): Promise<void> {
  if (stream.destroyed || stream.closed) return Promise.resolve()
  return new Promise((resolve) => {
    stream.once('close', () => resolve())
    stream.respond({ ':status': status, ...headersByName(headers) }, { endStream: true })
  })
}

function written(outgoing: Outgoing, bytes: Buffer, gone: AbortSignal): Promise<boolean> {
  if (bytes.length === 0) return Promise.resolve(true)
  if (gone.aborted || outgoing.destroyed) return Promise.resolve(false)
  const writable: ServerResponse | Http2ServerResponse = outgoing
  const flowed = writable instanceof Http2ServerResponse ? writable.write(bytes) : writable.write(bytes)
  return flowed ? Promise.resolve(true) : drained(outgoing, gone)
}

function drained(outgoing: Outgoing, gone: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => brokenOff(outgoing), STALLED_MS)
    const done = (flows: boolean): void => {
      clearTimeout(stalled)
      outgoing.off('drain', onDrain)
      outgoing.off('close', onClose)
      gone.removeEventListener('abort', onClose)
      resolve(flows)
    }
    const onDrain = (): void => done(true)
    const onClose = (): void => done(false)
    outgoing.on('drain', onDrain)
    outgoing.on('close', onClose)
    gone.addEventListener('abort', onClose)
  })
}

/** Resolves when the answer has been handed over, or nobody takes it. */
function finish(
  outgoing: Outgoing,
  rest: Buffer | null,
  trailers: readonly HeaderLine[],
  gone: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    if (gone.aborted || outgoing.destroyed) {
      outgoing.destroy()
      resolve()
      return
    }
    const done = (): void => {
      clearTimeout(stalled)
      resolve()
    }
    const stalled = setTimeout(() => brokenOff(outgoing), STALLED_MS)
    outgoing.on('close', done)
    if (trailers.length > 0) outgoing.addTrailers(Object.fromEntries(trailers))
    if (rest === null) outgoing.end(done)
    else outgoing.end(rest, done)
  })
}
