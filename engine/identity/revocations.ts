import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject, Principal } from '../access-request.ts'
import { CountersignError, IdentityError } from '../errors.ts'
import type { RecordDraft } from '../evidence/index.ts'
import type { RevocationStore } from './revocation-store.ts'
import { keyOf, keysOf, refusalFor, strikes, type Actor, type Revocation, type Target } from './revocation.ts'

export interface RevocationOptions {
  readonly store: RevocationStore
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newId: () => string
  /** Durable in evidence when it resolves. */
  record(draft: RecordDraft): Promise<void>
  /** Where other gateways revoke too: milliseconds from one look at what they did to the next. */
  readonly followMs?: number
  log(event: string, fields: JsonObject): void
}

/** A gateway that hasn't learnt for so long what is revoked believes nobody until it has. */
const UNSURE_MS = 5_000

const REVOKED = { event: 'credential.revoked' } as const
const QUARANTINED = { event: 'agent.quarantined' } as const
const RELEASED = { event: 'agent.released' } as const

/**
 * What is revoked and who is in quarantine, as all gateways on one state see it: in evidence first, then in the store, then
 * true here, and at the others within a look. Killed in between, evidence has it, and the rebuild that a start begins with
 * puts it into the store.
 */
export class Revocations {
  readonly #options: RevocationOptions
  readonly #closing = new AbortController()
  readonly #watchers = new Set<() => void>()
  #byKey = new Map<string, Revocation[]>()
  #all: readonly Revocation[] = []
  #version = -1
  #following: Promise<void> = Promise.resolve()
  #watchdog: NodeJS.Timeout | undefined
  #unsure = false
  /** Evidence has a revocation that the store has not. Only a restart brings the two together. */
  #outOfStep = false

  constructor(options: RevocationOptions) {
    this.#options = options
  }

  /** Learns what is revoked; nobody is to be let in before this has resolved. */
  async start(): Promise<void> {
    await this.#load()
    const { followMs } = this.#options
    if (followMs === undefined) return
    this.#watch()
    this.#following = this.#follow(followMs)
  }

  /** Why a principal is not believed any more; null: it is. */
  refusal(principal: Principal): IdentityError | null {
    if (this.#unsure || this.#outOfStep) {
      const message = 'the gateway does not know just now what has been revoked, and believes nobody until it does'
      return new IdentityError('ERR_IDENTITY_UNSURE', message, { retryable: true })
    }
    if (this.#byKey.size === 0) return null
    for (const key of keysOf(principal)) {
      const struck = this.#byKey.get(key)?.find((each) => strikes(each, principal))
      if (struck !== undefined) return refusalFor(struck)
    }
    return null
  }

  /** Throws what `refusal` tells. */
  check(principal: Principal): void {
    const refusal = this.refusal(principal)
    if (refusal !== null) throw refusal
  }

  /** Calls back whenever somebody may no longer be believed. Returns how to stop that. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** Newest first. */
  list(): readonly Revocation[] {
    return this.#all.toSorted((one, other) => other.at - one.at)
  }

  /** The quarantines that hold an agent; none: it is in none. */
  quarantines(agent: string): readonly Revocation[] {
    return (this.#byKey.get(keyOf({ kind: 'quarantine', agent })) ?? []).filter(({ released }) => released === null)
  }

  /** Durable in evidence and in the store, and true here, when it resolves. */
  async revoke(by: Principal, target: Target, reason: string): Promise<Revocation> {
    const { now, newId } = this.#options
    const revocation: Revocation = { id: newId(), target, by: actorOf(by), at: now(), reason, released: null }
    await this.#put(target.kind === 'quarantine' ? QUARANTINED : REVOKED, by, revocation)
    return revocation
  }

  /** Ends every quarantine that holds the agent now. Throws ERR_IDENTITY_UNKNOWN where none does. */
  async release(by: Principal, agent: string, reason: string): Promise<readonly Revocation[]> {
    const holding = this.quarantines(agent)
    if (holding.length === 0) throw new IdentityError('ERR_IDENTITY_UNKNOWN', `${agent} is in no quarantine`)
    const released = { by: actorOf(by), at: this.#options.now(), reason }
    const over = holding.map((each) => ({ ...each, released }))
    for (const each of over) await this.#put(RELEASED, by, each)
    return over
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#watchdog)
    await this.#following
  }

  async #put(what: Pick<RecordDraft, 'event'>, by: Principal, revocation: Revocation): Promise<void> {
    await this.#options.record({ ...what, principal: by, detail: { revocation: asJson(revocation) } })
    try {
      await this.#options.store.put(revocation)
      await this.#load()
    } catch (error) {
      this.#outOfStep = true
      this.#options.log('revocations.out_of_step', { id: revocation.id })
      this.#tell()
      throw error
    }
  }

  async #load(): Promise<void> {
    const { version, revocations } = await this.#options.store.all()
    if (version < this.#version) return // another load was later than this one
    this.#version = version
    this.#all = revocations
    this.#byKey = Map.groupBy(revocations, ({ target }) => keyOf(target))
    this.#tell()
  }

  #tell(): void {
    for (const changed of this.#watchers) changed()
  }

  async #follow(everyMs: number): Promise<void> {
    while (await this.#pause(everyMs)) {
      try {
        if ((await this.#options.store.version()) !== this.#version) await this.#load()
        this.#watch()
      } catch (error) {
        this.#options.log('revocations.not_followed', {
          code: error instanceof CountersignError ? error.code : 'unknown',
        })
      }
    }
  }

  #watch(): void {
    clearTimeout(this.#watchdog)
    this.#unsure = false
    if (this.#closing.signal.aborted) return
    this.#watchdog = setTimeout(() => {
      this.#unsure = true
      this.#options.log('revocations.unsure', {})
    }, UNSURE_MS)
    this.#watchdog.unref()
  }

  async #pause(ms: number): Promise<boolean> {
    try {
      await sleep(ms, undefined, { signal: this.#closing.signal, ref: false })
      return true
    } catch {
      return false
    }
  }
}

function actorOf({ id, issuer }: Principal): Actor {
  return { id, issuer }
}

/** Plain values are JSON, but TypeScript can't see it of a union. */
function asJson(revocation: Revocation): JsonObject {
  const copy: JsonObject = JSON.parse(JSON.stringify(revocation))
  return copy
}
