import { type JsonObject, UpstreamError } from '../../../engine/index.ts'
import { listOf, objectOf, textOf } from '../codec/members.ts'
import type { Subject } from '../normalizer/access.ts'
import { receivedSubject } from '../normalizer/received.ts'
import { type Asking, fieldsOf, type Judge, type Judged, noteOf, type Received } from './judge.ts'
import { type EnforcerRooms, settle } from './outcome.ts'
import { messageFrames } from './recorded-messages.ts'
import { maskedReceived, type Receiving, withheldMessage } from './received-message.ts'

type Running = Extract<Judged, { kind: 'run' }>

/**
 * What a ReceiveMessage brought: every message judged by what is in it, under the call's own name, and masked by both
 * verdicts. One that may not be shown keeps its place with a note as its body: dropped, it would come back until its queue
 * took it for a dead letter. Resolves when frames and outcomes are on disk.
 */
export async function receivedMessages(
  call: Subject,
  answer: JsonObject,
  running: Running,
  asking: Asking,
  judge: Judge,
  rooms: EnforcerRooms,
): Promise<JsonObject> {
  const messages = listOf(answer['Messages']).map(objectOf)
  const judged = await Promise.all(
    messages.map((each) => judge.received(receivedSubject(call, each), running.decision, asking)),
  )
  const shown = await handedOut(call, messages, judged, running, asking, rooms)
  await record(shown, judged, running, asking)
  return { ...answer, ...('Messages' in answer ? { Messages: shown } : {}) }
}

/** A message that is damaged ends them all: none of their decisions takes effect. */
async function handedOut(
  { queue, input }: Subject,
  messages: readonly JsonObject[],
  judged: readonly Received[],
  { masks }: Running,
  asking: Asking,
  { rewriting }: EnforcerRooms,
): Promise<readonly JsonObject[]> {
  if (queue === null) return []
  const receiving: Receiving = { queue, input, principal: asking.principal, rewriting }
  try {
    return messages.map((message, index) => {
      const each = judged[index]
      if (each?.kind === 'shown') return maskedReceived(message, [masks, each.masks], receiving)
      return withheldMessage(message, noteOf(each?.decision ?? 'unknown'), receiving)
    })
  } catch (error) {
    const code = error instanceof UpstreamError ? error.code : 'ERR_UPSTREAM_PROTOCOL'
    await Promise.all(judged.map((each) => outcome(each, { status: 'failed', error: code }, asking)))
    throw error
  }
}

async function outcome(each: Received, how: Parameters<typeof settle>[2], asking: Asking): Promise<void> {
  if (each.kind === 'shown') await settle(asking, each.decision, how)
}

/** Frames and outcomes are queued together and share one write to the disk. */
async function record(
  shown: readonly JsonObject[],
  judged: readonly Received[],
  { decision, masks }: Running,
  asking: Asking,
): Promise<void> {
  const fields = [
    ...fieldsOf(decision),
    ...judged.flatMap((each) => (each.kind === 'shown' ? fieldsOf(each.decision) : [])),
  ]
  const kind = 'sqs.messages'
  const parts = messageFrames(shown, fields)
  const frames = parts
    .slice(0, -1)
    .map((body) => asking.session.record({ dir: 'upstream', kind, decision: decision.id, body }))
  const last = parts.at(-1)
  const answer = last === undefined ? undefined : { kind, body: last }
  const sizes = shown.map(({ Body }) => Buffer.byteLength(textOf(Body) ?? ''))
  const each = judged.map((one, index) => {
    const own = one.kind === 'shown' ? one.masks.counts : []
    return outcome(one, { status: 'ok', rows: 1, bytes: sizes[index] ?? 0, masks: own }, asking)
  })
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  const rows = judged.filter(({ kind }) => kind === 'shown').length
  const whole = settle(asking, decision, { status: 'ok', rows, bytes, masks: masks.counts }, answer)
  await Promise.all([...frames, ...each, whole])
}
