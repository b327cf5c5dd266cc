import { hash } from 'node:crypto'
import type { FieldMask, JsonObject, JsonValue } from '../../../engine/index.ts'
import { objectOf, textOf } from '../codec/members.ts'

/** Bytes of messages in one frame of the recording, and that a recording keeps of one answer. */
const FRAME_BYTES = 8 * 1024
const KEPT_BYTES = 64 * 1024

/**
 * Messages as the agent got them, as frames of its recording: a row each of id, body and attributes. Of a long answer the
 * first messages are kept; the digest covers all.
 */
export function messageFrames(messages: readonly JsonObject[], masks: readonly FieldMask[]): readonly JsonObject[] {
  const digest = hash('sha256', JSON.stringify(messages))
  const frames: JsonObject[] = []
  let rows: JsonValue[] = []
  let [pending, kept, bytes, whole] = [0, 0, 0, true]
  for (const message of messages) {
    const row = rowOf(message)
    const size = row.reduce((sum, cell) => sum + Buffer.byteLength(cell), 0)
    bytes += size
    if (size > FRAME_BYTES || kept + size > KEPT_BYTES) whole = false
    if (!whole) continue // what is kept has no gap
    if (pending + size > FRAME_BYTES) {
      frames.push({ rows })
      ;[rows, pending] = [[], 0]
    }
    rows.push(row)
    kept += size
    pending += size
  }
  const end = {
    rows,
    end: `ReceiveMessage ${messages.length}`,
    count: messages.length,
    bytes,
    sha256: digest,
    kept: whole ? 'whole' : kept > 0 ? 'sample' : 'digest',
  }
  return [...frames, end].map((frame, index) => (index === 0 ? { columns: columnsOf(masks), ...frame } : frame))
}

function rowOf(message: JsonObject): readonly string[] {
  const { MessageAttributes, Attributes } = message
  return [
    textOf(message['MessageId']) ?? '',
    textOf(message['Body']) ?? '',
    JSON.stringify({ ...objectOf(Attributes), ...objectOf(MessageAttributes) }),
  ]
}

/** A column has room for one mask: that of the strictest kind which its part has is told, the outcome counts them all. */
function columnsOf(masks: readonly FieldMask[]): readonly JsonObject[] {
  const named = (name: string, part: RegExp): JsonObject => {
    const mask = masks.find(({ field }) => part.test(field))
    return mask === undefined ? { name } : { name, field: mask.field, method: mask.method }
  }
  return [{ name: 'MessageId' }, named('Body', /\.body(?:[/~]|$)/), named('Attributes', /\.(?:attribute|system)\./)]
}
