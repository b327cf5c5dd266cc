import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { textsOf } from '../codec/members.ts'
import type { Subject } from '../normalizer/access.ts'
import { gatewayUrl, type Queue, queueOf } from '../normalizer/queue-name.ts'
import type { Asking, Judge } from './judge.ts'
import type { Rewriting } from './rewriting.ts'

/** The member of a listing's answer that holds URLs; SQS spells one of the two with a small letter. */
const MEMBERS: readonly string[] = ['QueueUrls', 'queueUrls']

/**
 * A list of queues as the client may have it: those that clients may name and that policy lets this one find, by the
 * gateway's URLs. What reads as no queue is left out.
 */
export function listedQueues(
  call: Subject,
  answer: JsonObject,
  asking: Asking,
  judge: Judge,
  rewriting: Rewriting,
): JsonObject {
  const finds = (queue: Queue): boolean =>
    rewriting.offers(queue) && judge.lists({ ...call, queue, others: [] }, asking)
  const listed = MEMBERS.filter((member) => member in answer).map((member): [string, JsonValue] => [
    member,
    queuesIn(answer[member], rewriting)
      .filter(finds)
      .map((queue) => gatewayUrl(queue, rewriting.place)),
  ])
  return { ...answer, ...Object.fromEntries(listed) }
}

function queuesIn(urls: JsonValue | undefined, { place }: Rewriting): readonly Queue[] {
  return textsOf(urls).flatMap((url) => {
    const [, account, name] = /\/(\d{12})\/([A-Za-z0-9_.-]{1,80})$/.exec(url) ?? []
    return account === undefined || name === undefined ? [] : [queueOf(account, place.region, name, place)]
  })
}
