import { record, text, texts } from './read-message.ts'
import { KINDS, kindOf, typeUrl, WAITS_FOR, type Kind, type Resource, type Snapshot } from './snapshot.ts'
import type { Acknowledgement, ConfigurationStream } from './configuration-stream.ts'

interface Subscription {
  /** null: all there are. */
  names: readonly string[] | null
  /** Of the newest answer. */
  nonce: string
  /** What the client holds, by name. */
  held: ReadonlyMap<string, Resource>
  /** It was told something, be it that there is nothing. */
  told: boolean
}

/** An answer under way. */
interface InFlight {
  readonly nonce: string
  readonly version: string
  readonly resources: readonly Resource[]
}

/**
 * The older form of the protocol, in which each answer holds all resources of a kind: gRPC's own clients speak no other.
 * What goes is first sent along with what comes, and left out when everything else was taken, so that nothing is named
 * that isn't there.
 */
export class WholeStream implements ConfigurationStream {
  readonly #subscriptions = new Map<Kind, Subscription>()
  readonly #inFlight = new Map<Kind, InFlight>()
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
    const error =
      detail === null || detail === undefined ? null : text(record(detail, 'error_detail')['message'] ?? '', 'message')
    const names = texts(fields['resource_names'], 'resource_names')
    const known = this.#subscriptions.get(kind)
    if (nonce !== '' && known?.nonce !== nonce) return null // of an older answer
    const told = this.#acknowledge(kind, error)
    this.#subscribe(kind, names, nonce === '')
    return told
  }

  next(snapshot: Snapshot): object | null {
    if (this.#stuckAt === snapshot.version) return null
    let behind = false
    for (const bring of [true, false]) {
      if (!bring && (behind || this.#inFlight.size > 0)) return null
      for (const kind of bring ? KINDS : KINDS.toReversed()) {
        const subscription = this.#subscriptions.get(kind)
        if (subscription === undefined) continue
        const resources = wanted(subscription, snapshot.resources[kind], bring)
        if (subscription.told && same(resources, subscription.held)) continue
        if (![kind, ...WAITS_FOR[kind]].some((each) => this.#inFlight.has(each)))
          return this.#send(kind, subscription, resources, snapshot)
        behind = true
      }
    }
    return null
  }

  #send(kind: Kind, subscription: Subscription, resources: readonly Resource[], { version }: Snapshot): object {
    this.#sent += 1
    const nonce = String(this.#sent)
    this.#inFlight.set(kind, { nonce, version, resources })
    subscription.told = true
    subscription.nonce = nonce
    return {
      version_info: version,
      type_url: typeUrl(kind),
      nonce,
      resources: resources.map(({ bytes }) => ({ type_url: typeUrl(kind), value: bytes })),
    }
  }

  /** Of clusters and listeners, who names none at first wants all there are; of the others, and later, none. */
  #subscribe(kind: Kind, names: readonly string[], first: boolean): void {
    const known = this.#subscriptions.get(kind)
    if (known === undefined) {
      const all = names.length === 0 && (kind === 'cluster' || kind === 'listener')
      this.#subscriptions.set(kind, { names: all ? null : names, nonce: '', held: new Map(), told: false })
      return
    }
    const wanted = known.names === null && names.length === 0 ? null : names
    if (first || wanted?.some((name) => known.names?.includes(name) === false) === true) known.told = false // is told anew
    known.names = wanted
  }

  #acknowledge(kind: Kind, error: string | null): Acknowledgement | null {
    const answered = this.#inFlight.get(kind)
    if (answered === undefined) return null
    this.#inFlight.delete(kind)
    const { version, resources } = answered
    if (error === null) {
      const subscription = this.#subscriptions.get(kind)
      if (subscription !== undefined) subscription.held = new Map(resources.map((each) => [each.name, each]))
      return { kind: 'taken', of: kind, version }
    }
    this.#stuckAt = version
    return { kind: 'refused', of: kind, version, names: resources.map(({ name }) => name), reason: error }
  }
}

/**
 * Whoever names what he wants lets go of it by himself, when nothing that he holds names it any more: until then he keeps
 * it. Whoever wants all there is, is told when something goes.
 */
function wanted(
  { names, held }: Subscription,
  all: ReadonlyMap<string, Resource>,
  bring: boolean,
): readonly Resource[] {
  const there = names === null ? [...all.values()] : names.flatMap((name) => all.get(name) ?? [])
  const isKept = ({ name }: Resource): boolean => !all.has(name) && (names === null ? bring : names.includes(name))
  return [...there, ...[...held.values()].filter(isKept)]
}

function same(resources: readonly Resource[], held: ReadonlyMap<string, Resource>): boolean {
  return resources.length === held.size && resources.every(({ name, version }) => held.get(name)?.version === version)
}
