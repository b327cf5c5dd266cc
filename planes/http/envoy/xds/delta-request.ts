import { record, text, texts } from './read-message.ts'
import { type Kind, kindOf } from './snapshot.ts'

/** What a client asks in one message of the delta protocol. */
export interface DeltaRequest {
  readonly kind: Kind
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  /** What it holds from an earlier stream. */
  readonly held: Readonly<Record<string, string>>
  /** The answer that this acknowledges or refuses; empty on a first message. */
  readonly nonce: string
  /** Why it refused; null when it took it. */
  readonly error: string | null
}

/** A DeltaDiscoveryRequest, parsed. `node`: who asks, told with a stream's first message only. */
export interface Asked {
  readonly node: string | null
  /** null: of a kind that isn't served. */
  readonly request: DeltaRequest | null
}

/** Throws TypeError where it isn't one. */
export function readDeltaRequest(message: unknown): Asked {
  const fields = record(message, 'the message')
  const node = fields['node']
  const kind = kindOf(text(fields['type_url'], 'type_url'))
  const id = node === null || node === undefined ? null : text(record(node, 'node')['id'], 'node.id')
  if (kind === null) return { node: id, request: null }
  const held = Object.entries(record(fields['initial_resource_versions'] ?? {}, 'initial_resource_versions'))
  const detail = fields['error_detail']
  const refused = detail !== null && detail !== undefined
  return {
    node: id,
    request: {
      kind,
      subscribe: texts(fields['resource_names_subscribe'], 'resource_names_subscribe'),
      unsubscribe: texts(fields['resource_names_unsubscribe'], 'resource_names_unsubscribe'),
      held: Object.fromEntries(held.map(([name, version]) => [name, text(version, name)])),
      nonce: text(fields['response_nonce'] ?? '', 'response_nonce'),
      error: refused ? text(record(detail, 'error_detail')['message'] ?? '', 'error_detail.message') : null,
    },
  }
}
