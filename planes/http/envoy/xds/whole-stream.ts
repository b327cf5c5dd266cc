import { record, text, texts } from './read-message.ts'
import { KINDS, kindOf, typeUrl, type Kind, type Resource, type Snapshot } from './snapshot.ts'
import type { Acknowledgement, ConfigurationStream } from './configuration-stream.ts'

interface Subscription {
  /** null: all there are. */
  names: readonly string[] | null
  /** Of what the client holds, or refused: it isn't sent again. */
  known: string | null
  /** It asked anew: it is told even what it has. */
  due: boolean
}

interface InFlight {
  readonly of: Kind
  readonly nonce: string
  readonly version: string
  readonly state: string
}

/**
 * The older form of the protocol, in which each answer holds all resources of a kind: gRPC's own clients speak no other.
 * As in the delta form one answer is under way at a time, in the order of KINDS.
 */
export class WholeStream implements ConfigurationStream {
  readonly #subscriptions = new Map<Kind, Subscription>()
  #inFlight: InFlight | null = null
  #sent = 0
  #stuckAt: string | null = null
  #node = ''

  get node(): string {
    return this.#node
  }

  take(message: unknown): Acknowledgement | null {
    const fields = record(message, 'the message')
    const { node } = fields
    if (node !== null && node !== undefined) this.#node = text(record(node, 'node')['id'], 'node.id')
    const kind = kindOf(text(fields['type_url'], 'type_url'))
    if (kind === null) return null
    const nonce = text(fields['response_nonce'] ?? '', 'response_nonce')
    const detail = fields['error_detail']
    const error = detail === null || detail === undefined ? null : text(record(detail, 'error_detail')['message'] ?? '', 'message')
    const names = texts(fields['resource_names'], 'resource_names')
    const answered = this.#inFlight
    if (nonce !== '' && (answered === null || answered.of !== kind || answered.nonce !== nonce)) return null // of an older answer
    const told = nonce === '' ? null : this.#acknowledge(error)
    this.#subscribe(kind, names, nonce === '')
    return told
  }

  next(snapshot: Snapshot): object | null {
    if (this.#inFlight !== null || this.#stuckAt === snapshot.version) return null
    for (const kind of KINDS) {
      const subscription = this.#subscriptions.get(kind)
      if (subscription === undefined) continue
      const resources = named(subscription, snapshot.resources[kind])
      const state = resources.map(({ name, version }) => `${name}=${version}`).join(',')
      if (subscription.known === state && !subscription.due) continue
      subscription.due = false
      this.#sent += 1
      const nonce = String(this.#sent)
      this.#inFlight = { of: kind, nonce, version: snapshot.version, state }
      return {
        version_info: snapshot.version,
        type_url: typeUrl(kind),
        nonce,
        resources: resources.map(({ bytes }) => ({ type_url: typeUrl(kind), value: bytes })),
      }
    }
    return null
  }

  #subscribe(kind: Kind, names: readonly string[], first: boolean): void {
    const wanted = names.length === 0 ? null : names
    const known = this.#subscriptions.get(kind)
    if (known === undefined) this.#subscriptions.set(kind, { names: wanted, known: null, due: true })
    else {
      known.due ||= first || JSON.stringify(known.names) !== JSON.stringify(wanted)
      known.names = wanted
    }
  }

  #acknowledge(error: string | null): Acknowledgement | null {
    const answered = this.#inFlight
    if (answered === null) return null
    this.#inFlight = null
    const { of, version, state } = answered
    const subscription = this.#subscriptions.get(of)
    if (subscription !== undefined) subscription.known = state
    if (error === null) return { kind: 'taken', of, version }
    this.#stuckAt = version
    return { kind: 'refused', of, version, reason: error }
  }
}

function named({ names }: Subscription, all: ReadonlyMap<string, Resource>): readonly Resource[] {
  return names === null ? [...all.values()] : names.flatMap((name) => all.get(name) ?? [])
}
