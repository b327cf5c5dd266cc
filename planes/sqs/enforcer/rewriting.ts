import type { JsonObject, Principal } from '../../../engine/index.ts'
import { listOf, objectOf, textOf } from '../codec/members.ts'
import { md5OfAttributes, md5OfBody } from '../codec/message-digest.ts'
import type { ActionName } from '../codec/operations.ts'
import type { Subject } from '../normalizer/access.ts'
import { gatewayUrl, type Queue, type QueuePlace } from '../normalizer/queue-name.ts'
import { MessageMasks } from './masking.ts'
import type { ReceiptHandles } from './receipt-handles.ts'

/** What turns a call into the service's terms, and its answer into the gateway's. */
export interface Rewriting {
  readonly place: QueuePlace
  readonly handles: ReceiptHandles
  offers(queue: Queue): boolean
  /** The queue's URL at the service. */
  upstreamUrl(queue: Queue): string
}

/** A message for the record: what its labels name is hidden, in full. */
export function hidden(input: JsonObject, parts: readonly string[], arn: string): JsonObject {
  const fields = parts.map((part) => ({ field: `${arn}.${part}`, method: 'redact' as const }))
  return maskedMessage(input, new MessageMasks(fields, arn, '[masked]', null))
}

/** Handles as the service gave them; throws NormalizeError for one that was given to somebody else. Before any decision. */
export function openedHandles(subject: Subject, principal: Principal, { handles, place }: Rewriting): JsonObject {
  const { input, queue } = subject
  const receipt = textOf(input['ReceiptHandle'])
  const task = textOf(input['TaskHandle'])
  return {
    ...(receipt === null ? {} : { ReceiptHandle: handles.open('receipt', receipt, principal, queue?.arn ?? '') }),
    ...(task === null ? {} : { TaskHandle: openTask(handles, task, principal, place).handle }),
  }
}

/** A task's handle doesn't say at the gateway which queue it is of, so the queue travels in it. */
export function openTask(
  handles: ReceiptHandles,
  sealed: string,
  principal: Principal,
  place: QueuePlace,
): { readonly arn: string; readonly handle: string } {
  const [arn = '', ...rest] = handles.open('task', sealed, principal, place.account).split('\n')
  return { arn, handle: rest.join('\n') }
}

/** The input for the service: its own queue URL and handles, and a message as it may be sent. */
export function outgoing(subject: Subject, opened: JsonObject, masks: MessageMasks, rewriting: Rewriting): JsonObject {
  const { action, input, queue } = subject
  const message = 'MessageBody' in input ? maskedMessage(input, masks) : withAllAttributes(action, input)
  const url = 'QueueUrl' in input && queue !== null ? { QueueUrl: rewriting.upstreamUrl(queue) } : {}
  return { ...message, ...url, ...opened }
}

/** Of received messages all attributes: what a client doesn't ask for, policy judges all the same. `askedFor` takes it back. */
function withAllAttributes(action: ActionName, input: JsonObject): JsonObject {
  if (action !== 'ReceiveMessage') return input
  const { MessageSystemAttributeNames: _same, ...rest } = input // the newer name of AttributeNames
  return { ...rest, AttributeNames: ['All'], MessageAttributeNames: ['All'] }
}

function maskedMessage(input: JsonObject, masks: MessageMasks): JsonObject {
  if (masks.isEmpty) return input
  const { MessageBody: body, MessageAttributes: attributes, MessageSystemAttributes: system, ...rest } = input
  const kept = attributes === undefined ? {} : { MessageAttributes: masks.attributes(objectOf(attributes)) }
  const trace = system === undefined ? {} : { MessageSystemAttributes: masks.sentSystemAttributes(objectOf(system)) }
  return { ...rest, MessageBody: masks.body(textOf(body) ?? ''), ...kept, ...trace }
}

/** What SDKs check an answer to a send against is what the client sent, not what we made of it. */
export function sentResult(result: JsonObject, input: JsonObject, masks: MessageMasks): JsonObject {
  if (masks.isEmpty) return result
  const attributes = md5OfAttributes(objectOf(input['MessageAttributes']))
  const { MD5OfMessageAttributes: _replaced, ...rest } = result
  return {
    ...rest,
    MD5OfMessageBody: md5OfBody(textOf(input['MessageBody']) ?? ''),
    ...(attributes === null ? {} : { MD5OfMessageAttributes: attributes }),
  }
}

/** The service's answer as the client may have it: queues by the gateway's URLs, handles sealed. Of all but ReceiveMessage. */
export function incoming(
  subject: Subject,
  result: JsonObject,
  masks: MessageMasks,
  principal: Principal,
  rewriting: Rewriting,
): JsonObject {
  const { queue, action, input } = subject
  const { place } = rewriting
  switch (action) {
    case 'SendMessage':
      return sentResult(result, input, masks)
    case 'CreateQueue':
    case 'GetQueueUrl':
      return queue === null ? {} : { QueueUrl: gatewayUrl(queue, place) }
    case 'StartMessageMoveTask':
      return sealedTask(result, queue, principal, rewriting)
    case 'ListMessageMoveTasks':
      return {
        Results: listOf(result['Results']).map((each) => sealedTask(objectOf(each), queue, principal, rewriting)),
      }
    default:
      return result
  }
}

function sealedTask(
  result: JsonObject,
  queue: Queue | null,
  principal: Principal,
  { handles, place }: Rewriting,
): JsonObject {
  const handle = textOf(result['TaskHandle'])
  if (handle === null || queue === null) return result
  return { ...result, TaskHandle: handles.seal('task', `${queue.arn}\n${handle}`, principal, place.account) }
}
