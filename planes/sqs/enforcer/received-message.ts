import type { JsonObject, Principal } from '../../../engine/index.ts'
import { UpstreamError } from '../../../engine/index.ts'
import { objectOf, textOf, textsOf } from '../codec/members.ts'
import { md5OfAttributes, md5OfBody } from '../codec/message-digest.ts'
import type { Queue } from '../normalizer/queue-name.ts'
import type { MessageMasks } from './masking.ts'
import type { Rewriting } from './rewriting.ts'

/** Who receives from where. */
export interface Receiving {
  readonly queue: Queue
  readonly principal: Principal
  readonly rewriting: Rewriting
  /** Members of the call: which attributes it asked for. */
  readonly input: JsonObject
}

/** A message as the client may have it: its handle sealed, each of `masks` over it in turn. Throws UpstreamError. */
export function maskedReceived(message: JsonObject, masks: readonly MessageMasks[], receiving: Receiving): JsonObject {
  checkDigests(message)
  const asked = askedFor(message, receiving.input)
  const { MessageAttributes, MD5OfMessageAttributes: _replaced, Attributes, ...rest } = asked
  const over = masks.filter(({ isEmpty }) => !isEmpty)
  const body = over.reduce((text, each) => each.body(text), textOf(message['Body']) ?? '')
  const attributes = over.reduce((left, each) => each.attributes(left), objectOf(MessageAttributes))
  const system = over.reduce((left, each) => each.systemAttributes(left), objectOf(Attributes))
  const digest = md5OfAttributes(attributes)
  return {
    ...rest,
    ...sealedReceipt(message, receiving),
    Body: body,
    MD5OfBody: md5OfBody(body),
    ...(Attributes === undefined ? {} : { Attributes: system }),
    ...(digest === null ? {} : { MessageAttributes: attributes, MD5OfMessageAttributes: digest }),
  }
}

/** A message that may not be shown: a note in its place, so that its consumer can delete it, and SQS counts it as received. */
export function withheldMessage(message: JsonObject, note: string, receiving: Receiving): JsonObject {
  const { Attributes } = askedFor(message, receiving.input)
  const { AWSTraceHeader: _trace, ...system } = objectOf(Attributes)
  return {
    MessageId: message['MessageId'] ?? '',
    ...sealedReceipt(message, receiving),
    Body: note,
    MD5OfBody: md5OfBody(note),
    ...(Attributes === undefined ? {} : { Attributes: system }),
  }
}

/** The message without attributes that the client has not asked for. */
function askedFor(message: JsonObject, input: JsonObject): JsonObject {
  const { MessageAttributes, Attributes, ...rest } = message
  const own = chosen(objectOf(MessageAttributes), textsOf(input['MessageAttributeNames']))
  const system = [...textsOf(input['AttributeNames']), ...textsOf(input['MessageSystemAttributeNames'])]
  return {
    ...rest,
    MessageAttributes: own,
    ...(system.length === 0 ? {} : { Attributes: chosen(objectOf(Attributes), system) }),
  }
}

/** `All` and `.*` are all of them, `name.*` those that begin so. */
function chosen(attributes: JsonObject, names: readonly string[]): JsonObject {
  if (names.some((name) => name === 'All' || name === '.*')) return attributes
  const beginnings = names.filter((name) => name.endsWith('.*')).map((name) => name.slice(0, -2))
  return Object.fromEntries(
    Object.entries(attributes).filter(
      ([name]) => names.includes(name) || beginnings.some((beginning) => name.startsWith(beginning)),
    ),
  )
}

function sealedReceipt(message: JsonObject, { queue, principal, rewriting }: Receiving): JsonObject {
  const handle = textOf(message['ReceiptHandle'])
  return handle === null ? {} : { ReceiptHandle: rewriting.handles.seal('receipt', handle, principal, queue.arn) }
}

/** A digest that we are about to write anew has to be right before: else damage on the way would be signed away. */
function checkDigests(message: JsonObject): void {
  const said = textOf(message['MD5OfBody'])
  const ofAttributes = textOf(message['MD5OfMessageAttributes'])
  const bodyFits = said === null || said === md5OfBody(textOf(message['Body']) ?? '')
  const attributesFit =
    ofAttributes === null || ofAttributes === md5OfAttributes(objectOf(message['MessageAttributes']))
  if (bodyFits && attributesFit) return
  throw new UpstreamError('ERR_UPSTREAM_PROTOCOL', 'the queue service sent a message whose digest is not its own')
}
