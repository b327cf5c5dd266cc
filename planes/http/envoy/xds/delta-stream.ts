import type { Acknowledgement, ConfigurationStream } from './configuration-stream.ts'
import { type DeltaRequest, readDeltaRequest } from './delta-request.ts'
import { KINDS, typeUrl, WAITS_FOR, type Kind, type Resource, type Snapshot } from './snapshot.ts'

interface Subscription {
  wildcard: boolean
  readonly names: Set<string>
  /** What the client holds, by name; null: it was told that there is none. */
  readonly held: Map<string, string | null>
  /** Versions that it refused: no snapshot with one of them is for it. */
  readonly refused: Map<string, string>
}

/** An answer under way. */
interface InFlight {
  readonly nonce: string
  readonly resources: readonly Resource[]
  readonly removed: readonly string[]
  /** The snapshot's. */
  readonly version: string
}

/** What is brought, first to last, and then what is taken away. */
const STEPS: readonly { readonly kind: Kind; readonly bring: boolean }[] = [
  ...KINDS.map((kind) => ({ kind, bring: true })),
  ...KINDS.toReversed().map((kind) => ({ kind, bring: false })),
]

/**
 * One client's side of the delta protocol: what it asked for, what it holds, what it refused. Nothing overtakes what it
 * depends on: a listener is brought when its clusters were taken, and a cluster goes when no route names it any more.
 */
export class DeltaStream implements ConfigurationStream {
  readonly #subscriptions = new Map<Kind, Subscription>()
  readonly #inFlight = new Map<Kind, InFlight>()
  #sent = 0
  /** The snapshot of which something was refused. */
  #stuckAt: string | null = null
  #node = ''

  get node(): string {
    return this.#node
  }

  take(message: unknown): Acknowledgement | null {
    const { node, request } = readDeltaRequest(message)
    if (node !== null) this.#node = node
    if (request === null) return null // of a kind that isn't served: nobody waits for it, there is none
    const told = this.#acknowledge(request)
    const known = this.#subscriptions.get(request.kind)
    const subscription = known ?? { wildcard: false, names: new Set(), held: new Map(), refused: new Map() }
    if (known === undefined) {
      this.#subscriptions.set(request.kind, subscription)
      subscription.wildcard = request.subscribe.length === 0
    }
    for (const name of request.subscribe) {
      if (name === '*') subscription.wildcard = true
      else subscription.names.add(name)
      subscription.held.delete(name) // who asks again is told again
    }
    for (const name of request.unsubscribe) {
      if (name === '*') subscription.wildcard = false
      subscription.names.delete(name)
      subscription.held.delete(name)
    }
    for (const [name, version] of Object.entries(request.held)) subscription.held.set(name, version)
    return told
  }

  next(snapshot: Snapshot): object | null {
    if (this.#stuckAt === snapshot.version || this.#hasRefused(snapshot)) return null
    let behind = false // something is yet to be brought, or taken: nothing is taken away before
    for (const { kind, bring } of STEPS) {
      const subscription = this.#subscriptions.get(kind)
      if (subscription === undefined) continue
      if (!bring && (behind || this.#inFlight.size > 0)) return null
      const resources = bring ? owed(subscription, snapshot.resources[kind]) : []
      const removed = bring ? [] : gone(subscription, snapshot.resources[kind])
      if (resources.length === 0 && removed.length === 0) continue
      if (![kind, ...WAITS_FOR[kind]].some((each) => this.#inFlight.has(each)))
        return this.#send(kind, resources, removed, snapshot)
      behind = true
    }
    return null
  }

  /** Something of it was refused by this client: it keeps the last that it took, whole. */
  #hasRefused({ resources }: Snapshot): boolean {
    return [...this.#subscriptions].some(([kind, { refused }]) =>
      [...refused].some(([name, version]) => resources[kind].get(name)?.version === version),
    )
  }

  #send(of: Kind, resources: readonly Resource[], removed: readonly string[], { version }: Snapshot): object {
    this.#sent += 1
    const nonce = String(this.#sent)
    this.#inFlight.set(of, { nonce, resources, removed, version })
    return {
      system_version_info: version,
      type_url: typeUrl(of),
      nonce,
      removed_resources: removed,
      resources: resources.map(({ name, version, bytes }) => ({
        name,
        version,
        resource: { type_url: typeUrl(of), value: bytes },
      })),
    }
  }

  #acknowledge({ nonce, error, kind }: DeltaRequest): Acknowledgement | null {
    const answered = this.#inFlight.get(kind)
    if (answered === undefined || answered.nonce !== nonce) return null // of an older answer
    this.#inFlight.delete(kind)
    const { resources, removed, version } = answered
    const subscription = this.#subscriptions.get(kind)
    if (error === null) {
      for (const each of resources) subscription?.held.set(each.name, each.version)
      for (const name of removed) subscription?.held.set(name, null)
      return { kind: 'taken', of: kind, version }
    }
    // Of several, those are at fault that the client names; where it names none, the snapshot is.
    const faulty = resources.filter(({ name }) => resources.length === 1 || error.includes(name))
    for (const each of faulty) subscription?.refused.set(each.name, each.version)
    this.#stuckAt = version
    const names = (faulty.length === 0 ? resources : faulty).map(({ name }) => name)
    return { kind: 'refused', of: kind, version, names, reason: error }
  }
}

function owed({ wildcard, names, held }: Subscription, all: ReadonlyMap<string, Resource>): readonly Resource[] {
  const asked = wildcard ? [...all.values()] : [...names].flatMap((name) => all.get(name) ?? [])
  return asked.filter(({ name, version }) => held.get(name) !== version)
}

/** What the client holds, or waits for, and isn't there. */
function gone({ names, held }: Subscription, all: ReadonlyMap<string, Resource>): readonly string[] {
  const known = new Set([...names, ...held.keys()])
  return [...known].filter((name) => !all.has(name) && held.get(name) !== null)
}
