import { ObligationError } from '../../../engine/index.ts'
import { mediaType } from '../message.ts'
import { type ReadBody, readBody } from '../normalizer/body.ts'
import type { NormalizedRequest } from '../normalizer/normalized.ts'
import { maskBody } from './body-masker.ts'
import { NO_ALIASES } from './mask-plan.ts'
import { ExchangeMasks } from './masks.ts'

/**
 * A body for the record, its labelled parts hidden; where they can't be found in it, only that there was one. Without its
 * digest: that of an account number in a known frame tells the number to whoever tries them all.
 */
export function hiddenBody({ headers, sent, body }: NormalizedRequest, parts: readonly string[]): ReadBody {
  const { form, bytes } = body
  const unseen: ReadBody = { form, type: mediaType(headers), bytes, sha256: null }
  if (sent.kind !== 'whole') return unseen
  const fields = parts.map((part) => ({ field: `record.${part}`, method: 'redact' }) as const)
  try {
    const masked = maskBody(headers, sent.bytes, new ExchangeMasks(fields, ['record'], NO_ALIASES, null).sent)
    return { ...readBody(headers, { kind: 'whole', bytes: masked }), bytes, sha256: null }
  } catch (error) {
    if (error instanceof ObligationError) return unseen
    throw error
  }
}
