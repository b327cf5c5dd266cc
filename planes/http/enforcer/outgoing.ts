import { ObligationError } from '../../../engine/index.ts'
import type { Api } from '../api.ts'
import { type HeaderLine, NO_BYTES, type RequestBody, type RequestHead, without } from '../message.ts'
import type { NormalizedRequest } from '../normalizer/normalized.ts'
import { maskBody } from './body-masker.ts'
import type { ExchangeMasks } from './masks.ts'

/** Would bring an answer that can't be masked: encoded, in part, or none because the client is said to have it already. */
const NOT_IF_MASKED: ReadonlySet<string> = new Set([
  'accept-encoding',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'range',
])
const WANT_PLAIN: HeaderLine = ['accept-encoding', 'identity']

/** The request exactly as it goes up. Throws ObligationError where it can't be masked, UpstreamError for want of credentials. */
export async function outgoing(
  api: Api,
  request: NormalizedRequest,
  masks: ExchangeMasks,
): Promise<{ readonly head: RequestHead; readonly body: RequestBody }> {
  const body = maskedBody(request, masks)
  const lines = masks.headers(request.headers, 'request')
  const headers = masks.answerIsFree ? lines : [...without(lines, NOT_IF_MASKED), WANT_PLAIN]
  const scheme = api.origin.protocol === 'https:' ? 'https' : 'http'
  const head: RequestHead = { ...request.head, scheme, authority: api.origin.host, headers }
  const bytes = body.kind === 'streamed' ? null : body.kind === 'whole' ? body.bytes : NO_BYTES
  const added = await api.credentials.headers({ head, body: bytes })
  return { head: { ...head, headers: [...headers, ...added] }, body }
}

function maskedBody({ headers, sent, upgrade }: NormalizedRequest, masks: ExchangeMasks): RequestBody {
  if (upgrade !== null && !masks.answerIsFree)
    throw cannot('it asks to go on in a protocol in which nothing can be masked')
  if (masks.sent.isEmpty || sent.kind === 'none') return sent
  if (sent.kind === 'streamed') throw cannot('its body is larger than what is judged')
  return { kind: 'whole', bytes: maskBody(headers, sent.bytes, masks.sent) }
}

function cannot(why: string): ObligationError {
  return new ObligationError(
    'ERR_OBLIGATION_UNENFORCEABLE',
    `policy has something of this request masked, and that can't be done: ${why}`,
  )
}
