import { hash } from 'node:crypto'
import type { PlaneHost, Principal, Session } from '../../../engine/index.ts'

/** A caller's session in evidence, and what runs in it. */
interface Held {
  readonly session: Session
  requests: number
  /** Milliseconds since 1970, of its last request's end. */
  lastUsed: number
  /** `closing`: when nothing runs in it any more. */
  state: 'open' | 'closing' | 'closed'
  /** Why it is closed. */
  reason: string
}

interface Open {
  readonly principal: Principal
  readonly held: Held
}

interface Entry {
  readonly open: Promise<Open>
  /** Milliseconds since 1970: verified. */
  readonly since: number
  /** Null until it is open. */
  held: Held | null
}

/** A caller with a request under way; `leave` when it has ended. */
export interface Entered {
  readonly principal: Principal
  readonly session: Session
  readonly leave: () => void
}

/** What a token comes with. */
export interface Presented {
  readonly source: string | null
  /** What the client calls itself. */
  readonly client: string | null
  /** SHA-256 of the certificate that its TLS connection has proven, base64url; null: none. */
  readonly certificate: string | null
}

/** A token is verified again after this: keys are withdrawn, and revocations come. */
const VERIFIED_FOR_MS = 60_000

/**
 * One session in evidence for each token: HTTP has no connection that would be one. It opens with its first request and
 * ends when it has been idle for long, when its token is refused or its principal may not go on, or the gateway stops; in
 * each case behind the last record of what still runs in it.
 */
export class Callers {
  readonly #host: PlaneHost
  readonly #idleMs: number
  readonly #now: () => number
  readonly #open = new Map<string, Entry>()
  /** Sessions that are about to be closed. */
  readonly #ending = new Set<Promise<void>>()
  readonly #sweep: NodeJS.Timeout

  constructor(host: PlaneHost, idleMs: number, now: () => number) {
    this.#host = host
    this.#idleMs = idleMs
    this.#now = now
    this.#sweep = setInterval(() => this.#closeIdle(), Math.min(idleMs, 30_000)).unref()
  }

  /** Throws IdentityError, once it is recorded. */
  async enter(token: string, presented: Presented): Promise<Entered> {
    const key = hash('sha256', JSON.stringify([token, presented.certificate]))
    const entry = this.#entry(key, token, presented)
    const { principal, held } = await entry.open
    if (held.state === 'closed') {
      // It ended while its token was verified again.
      if (this.#open.get(key) === entry) this.#open.delete(key)
      return this.enter(token, presented)
    }
    held.requests += 1
    const leave = (): void => {
      held.requests -= 1
      held.lastUsed = this.#now()
      if (held.state === 'closing') this.#close(held, held.reason)
    }
    return { principal, session: held.session, leave }
  }

  /** When no request runs any more. */
  async close(reason: string): Promise<void> {
    clearInterval(this.#sweep)
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(all.map(async ({ open }) => this.#close((await open).held, reason)))
    await Promise.all(this.#ending)
  }

  #entry(key: string, token: string, presented: Presented): Entry {
    const known = this.#open.get(key)
    if (known !== undefined && this.#now() - known.since < VERIFIED_FOR_MS) return known
    const entry: Entry = { open: this.#verified(known, key, token, presented), since: this.#now(), held: null }
    this.#open.set(key, entry)
    entry.open.then(
      ({ held }) => (entry.held = held),
      // Whoever waits for it sees why; the next one tries again.
      async () => {
        if (this.#open.get(key) === entry) this.#open.delete(key)
        await known?.open.then(({ held }) => this.#close(held, 'token refused')).catch(() => undefined)
      },
    )
    return entry
  }

  /** The session goes on under a token that is verified again. */
  async #verified(known: Entry | undefined, key: string, token: string, presented: Presented): Promise<Open> {
    const { source, client, certificate } = presented
    const principal = await this.#host.identify({ kind: 'token', token, source, certificate })
    if (known !== undefined) return { principal, held: (await known.open).held }
    const session = await this.#host.openSession(principal, { source, client: { user_agent: client } })
    const held: Held = { session, requests: 0, lastUsed: this.#now(), state: 'open', reason: '' }
    // Whoever comes with the token next is asked who they are, and sent away.
    session.over.addEventListener('abort', () => {
      this.#open.delete(key)
      this.#close(held, 'credentials over')
    })
    return { principal, held }
  }

  #closeIdle(): void {
    const longAgo = this.#now() - this.#idleMs
    for (const [key, { held }] of this.#open) {
      if (held === null || held.requests > 0 || held.lastUsed > longAgo) continue
      this.#open.delete(key)
      this.#close(held, 'idle')
    }
  }

  /** Once, and behind what still runs in it. */
  #close(held: Held, reason: string): void {
    if (held.state === 'closed') return
    held.state = held.requests > 0 ? 'closing' : 'closed'
    held.reason = reason
    if (held.state === 'closing') return
    const closed = held.session.close(reason).catch(() => undefined) // evidence that can't be written ends the process itself
    this.#ending.add(closed)
    void closed.then(() => this.#ending.delete(closed))
  }
}
