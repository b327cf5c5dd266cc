import type { JsonObject } from '../access-request.ts'
import { asObject, objectsAt, textAt } from './entry.ts'

/** Records and frames of a session. */
export function sessionTopic(session: string): string {
  return `session:${session}`
}

/** An approval, whoever asks for it. */
export function approvalTopic(approval: string): string {
  return `approval:${approval}`
}

/** Who has looked at a session. */
export function viewedTopic(session: string): string {
  return `viewed:${session}`
}

/** What was erased of a writer's files. */
export function erasedTopic(writer: string): string {
  return `erased:${writer}`
}

export const POLICY_TOPIC = 'policy:'
/** Keys of the log, and exports, which may be of anything. */
export const KEY_TOPIC = 'key'
export const EXPORTED_TOPIC = 'exported'

/** What a record has to do with, for a session's replay to find it. */
export function topicsOf(event: string, fields: JsonObject): readonly string[] {
  const topics: string[] = []
  const session = textAt(fields, 'session')
  if (session !== null) topics.push(sessionTopic(session))
  const approval = textAt(fields, 'approval', 'id')
  if (approval !== null) topics.push(approvalTopic(approval))
  const policy = event.startsWith('policy.') ? textAt(fields, 'policy', 'digest') : null
  if (policy !== null) topics.push(POLICY_TOPIC + policy)
  const viewed = event === 'replay.viewed' ? textAt(fields, 'detail', 'session') : null
  if (viewed !== null) topics.push(viewedTopic(viewed))
  if (event === 'evidence.exported') topics.push(EXPORTED_TOPIC)
  if (event === 'key.rotated' || event === 'key.compromised') topics.push(KEY_TOPIC)
  if (event === 'retention.applied') topics.push(...erasedIn(fields))
  return topics
}

function erasedIn({ detail }: JsonObject): readonly string[] {
  const ranges = objectsAt(asObject(detail) ?? {}, 'erased')
  const writers = ranges.map((range) => textAt(range, 'writer')).filter((writer) => writer !== null)
  return [...new Set(writers)].map(erasedTopic)
}
