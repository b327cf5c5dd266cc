import { hash } from 'node:crypto'
import type { JsonObject, JsonValue } from '../../../engine/index.ts'
import { NormalizeError } from '../../../engine/index.ts'
import { objectOf, textOf } from '../codec/members.ts'
import { isJsonContainer, jsonView } from './json-text.ts'

/** Bytes of body and attributes that policy is given; of a larger message it gets size and digest. */
const SEEN_BYTES = 64 * 1024
/** Bytes of them that a record keeps. */
const RECORDED_BYTES = 24 * 1024

/** What SQS takes as text (SendMessage): no control characters, no noncharacters, no half of a pair. */
const FOREIGN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u

/** Where the extended client has put a body that was too large for SQS. */
export interface PayloadPointer {
  readonly bucket: string
  readonly key: string
}

/** A message on its way to a queue, as policy sees it. */
export function messageBlock(input: JsonObject): JsonObject {
  const body = textOf(input['MessageBody']) ?? ''
  if (!isMessageText(body))
    throw new NormalizeError('ERR_NORMALIZE_REQUEST', 'the body holds characters that no message may hold', {
      native: 'InvalidMessageContents',
    })
  const bytes = Buffer.byteLength(body) + attributeBytes(input)
  const { form, json } = bytes > SEEN_BYTES ? LARGE : read(body)
  const pointer = pointerOf(body)
  const large = form === 'large'
  return {
    form,
    body: large ? null : body,
    json,
    bytes,
    sha256: hash('sha256', body),
    attributes: valuesOf(objectOf(input['MessageAttributes']), large),
    system_attributes: valuesOf(objectOf(input['MessageSystemAttributes']), large),
    group: textOf(input['MessageGroupId']),
    deduplication: textOf(input['MessageDeduplicationId']),
    delay_seconds: typeof input['DelaySeconds'] === 'number' ? input['DelaySeconds'] : null,
    pointer: pointer === null ? null : { ...pointer },
  }
}

/** The same for the record: what is large is left out, and JSON is not written twice. */
export function recordedMessage(block: JsonObject): JsonObject {
  const { bytes, body } = block
  const kept = typeof bytes === 'number' && bytes <= RECORDED_BYTES
  return {
    ...block,
    body: kept ? (body ?? null) : null,
    json: null,
    ...(kept ? {} : { attributes: {}, system_attributes: {} }),
  }
}

/**
 * A message that came back, for the record: what it is and how large, and nothing of what it says. The recording has what the
 * client got of it; what is withheld is for nobody who reads evidence either.
 */
export function recordedReceived(block: JsonObject): JsonObject {
  return {
    ...block,
    body: null,
    json: null,
    sha256: null, // of a short text it would tell the text to whoever tries them all
    attributes: withoutValues(objectOf(block['attributes'])),
    system_attributes: withoutValues(objectOf(block['system_attributes'])),
  }
}

function withoutValues(attributes: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { ...objectOf(value), value: null }]),
  )
}

export function isMessageText(text: string): boolean {
  return !FOREIGN.test(text)
}

const LARGE: { readonly form: string; readonly json: JsonValue } = { form: 'large', json: null }

function read(body: string): { readonly form: string; readonly json: JsonValue } {
  if (!isJsonContainer(body)) return { form: 'text', json: null }
  const json = jsonView(body)
  return json === undefined ? { form: 'ambiguous', json: null } : { form: 'json', json }
}

function attributeBytes(input: JsonObject): number {
  return ['MessageAttributes', 'MessageSystemAttributes']
    .flatMap((member) => Object.entries(objectOf(input[member])))
    .reduce((sum, [name, value]) => {
      const { DataType, StringValue, BinaryValue } = objectOf(value)
      const texts = [name, DataType, StringValue, BinaryValue].map((each) => textOf(each ?? null) ?? '')
      return sum + Buffer.byteLength(texts.join(''))
    }, 0)
}

function valuesOf(attributes: JsonObject, withoutValues: boolean): JsonObject {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      const { DataType, StringValue, BinaryValue } = objectOf(value)
      const shown = withoutValues ? null : (StringValue ?? BinaryValue ?? null)
      return [name, { type: DataType ?? null, value: shown }]
    }),
  )
}

const POINTER_CLASSES: ReadonlySet<unknown> = new Set([
  'software.amazon.payloadoffloading.PayloadS3Pointer',
  'com.amazon.sqs.javamessaging.MessageS3Pointer',
])

/** `["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": …, "s3Key": …}]`; null for any other body. */
export function pointerOf(body: string): PayloadPointer | null {
  if (!/^\s*\[\s*"/.test(body) || body.length > 4096 || !isJsonContainer(body)) return null
  const written: unknown = JSON.parse(body)
  if (!Array.isArray(written) || !POINTER_CLASSES.has(written[0])) return null
  const place: unknown = written[1]
  if (typeof place !== 'object' || place === null || !('s3BucketName' in place) || !('s3Key' in place)) return null
  return { bucket: String(place.s3BucketName), key: String(place.s3Key) }
}
