import { ProtocolError } from '../../../engine/index.ts'
import { NO_BYTES, type RequestBody, type RequestHead, valuesOf } from '../message.ts'
import { mayStream } from '../normalizer/body.ts'
import type { Incoming } from './front.ts'

/** A body that was read, or the beginning of one that is to be streamed. */
export type ArrivingBody =
  | { readonly kind: 'none' | 'whole'; readonly body: RequestBody }
  | { readonly kind: 'streamed'; readonly body: RequestBody; readonly begun: readonly Buffer[] }

export interface BodyLimits {
  readonly judgedBytes: number
  readonly bodyBytes: number
  readonly uploadMs: number
}

export function declaredLength({ headers }: RequestHead): number | null {
  const [written] = valuesOf(headers, 'content-length')
  return written !== undefined && /^\d{1,15}$/.test(written) ? Number(written) : null
}

/** Whether a body follows the head at all. */
export function hasBody(incoming: Incoming, head: RequestHead): boolean {
  if ('stream' in incoming) return !incoming.stream.endAfterHeaders
  return (declaredLength(head) ?? 0) > 0 || valuesOf(head.headers, 'transfer-encoding').length > 0
}

/** Whether the body is certain to be streamed: then it is decided before any of it is asked for. */
export function isSureToStream(head: RequestHead, { judgedBytes }: BodyLimits): boolean {
  return (declaredLength(head) ?? 0) > judgedBytes && mayStream(head.headers)
}

/** Throws ProtocolError for a body that is too large, too slow, or ends before its end. */
export async function readBody(incoming: Incoming, head: RequestHead, limits: BodyLimits): Promise<ArrivingBody> {
  const declared = declaredLength(head)
  if (declared !== null && declared > limits.bodyBytes) throw tooLarge(limits.bodyBytes)
  if (!hasBody(incoming, head)) return { kind: 'none', body: { kind: 'none' } }
  if (isSureToStream(head, limits)) return { kind: 'streamed', body: { kind: 'streamed', declared }, begun: [] }
  if (declared !== null && declared > limits.judgedBytes) throw tooLarge(limits.judgedBytes)
  const { chunks, bytes, isWhole } = await collect(incoming, limits)
  if (isWhole) {
    const [first = NO_BYTES] = chunks
    return { kind: 'whole', body: { kind: 'whole', bytes: chunks.length > 1 ? Buffer.concat(chunks, bytes) : first } }
  }
  if (!mayStream(head.headers)) throw tooLarge(limits.judgedBytes)
  return { kind: 'streamed', body: { kind: 'streamed', declared }, begun: chunks }
}

interface Collected {
  readonly chunks: readonly Buffer[]
  readonly bytes: number
  readonly isWhole: boolean
}

/** Until the end, or until more has come than is judged. */
function collect(incoming: Incoming, { judgedBytes, uploadMs }: BodyLimits): Promise<Collected> {
  const chunks: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => finish(() => reject(tooSlow())), uploadMs)
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes <= judgedBytes) return
      incoming.pause()
      finish(() => resolve({ chunks, bytes, isWhole: false }))
    }
    const onEnd = (): void => finish(() => resolve({ chunks, bytes, isWhole: true }))
    const onGone = (): void => finish(() => reject(brokenOff()))
    const finish = (settle: () => void): void => {
      clearTimeout(late)
      incoming.off('data', onData)
      incoming.off('end', onEnd)
      incoming.off('close', onGone)
      settle()
    }
    incoming.on('data', onData)
    incoming.on('end', onEnd)
    incoming.on('close', onGone)
    incoming.on('error', () => undefined)
  })
}

/** The rest of a streamed body behind what has come of it. Ends with an error where it is too large or stops coming. */
export async function* streamedBody(
  incoming: Incoming,
  begun: readonly Buffer[],
  { bodyBytes, uploadMs }: BodyLimits,
): AsyncGenerator<Buffer> {
  let bytes = 0
  const late = setTimeout(() => incoming.destroy(tooSlow()), uploadMs)
  try {
    for (const chunk of begun) {
      bytes += chunk.length
      yield chunk
    }
    for await (const piece of incoming) {
      const chunk: Buffer = piece
      late.refresh()
      bytes += chunk.length
      if (bytes > bodyBytes) throw tooLarge(bodyBytes)
      yield chunk
    }
    if (!incoming.complete) throw brokenOff()
  } finally {
    clearTimeout(late)
  }
}

function tooLarge(most: number): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_FRAME_LENGTH', `the body is larger than ${most} bytes`)
}

function tooSlow(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_IDLE', 'the body did not come in time')
}

function brokenOff(): ProtocolError {
  return new ProtocolError('ERR_PROTOCOL_MESSAGE', 'the body ends before its end')
}
