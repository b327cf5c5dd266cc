import { type HeaderLine, type RequestHead, type ResponseHead, without } from '../message.ts'
import { hopByHop } from '../normalizer/headers.ts'

/** True of the body as the upstream sent it, no more of a masked one; a strong validator could be a digest of it. */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-md5',
  'digest',
  'etag',
  'repr-digest',
  'signature',
  'signature-input',
  'want-content-digest',
])

/** Only the gateway says these. */
const OURS: ReadonlySet<string> = new Set(['content-length', 'x-decision-id', 'x-approval-id'])

/** No body follows, whatever its headers say (RFC 9112, 6.3). */
export function hasNoBody({ status }: ResponseHead, { method }: Pick<RequestHead, 'method'>): boolean {
  return method === 'HEAD' || status === 204 || status === 304 || status < 200
}

export interface HeadTreatment {
  /** The body isn't the one that they were written for, or wouldn't be if there were one. */
  readonly changed: boolean
  /** No body follows: then the length tells of one that would, and stays. */
  readonly bodyless: boolean
  /** Headers of the upstream's that no client of this API gets. */
  readonly never: ReadonlySet<string>
}

/** Header lines for the client, without the length of a body that follows: whoever sends it says that. */
export function answerHeaders(
  headers: readonly HeaderLine[],
  { changed, bodyless, never }: HeadTreatment,
): readonly HeaderLine[] {
  const kept = without(without(without(headers, hopByHop(headers)), OURS), never)
  if (changed) return without(kept, OF_THE_BODY)
  return bodyless ? [...kept, ...headers.filter(([name]) => name.toLowerCase() === 'content-length')] : kept
}
