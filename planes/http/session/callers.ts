import { hash } from 'node:crypto'
import type { PlaneHost, Principal, Session } from '../../../engine/index.ts'

interface Open {
  readonly principal: Principal
  readonly session: Session
}

interface Entry {
  readonly open: Promise<Open>
  /** Milliseconds since 1970: verified, and of its last request's end. */
  readonly since: number
  lastUsed: number
  requests: number
}

/** A caller with a request under way; `leave` when it has ended. */
export interface Entered extends Open {
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
 * ends when it has been idle for long, when the token is to be verified again, or the gateway stops.
 */
export class Callers {
  readonly #host: PlaneHost
  readonly #idleMs: number
  readonly #now: () => number
  readonly #open = new Map<string, Entry>()
  readonly #sweep: NodeJS.Timeout

  constructor(host: PlaneHost, idleMs: number, now: () => number) {
    this.#host = host
    this.#idleMs = idleMs
    this.#now = now
    this.#sweep = setInterval(() => void this.#closeIdle(), Math.min(idleMs, 30_000)).unref()
  }

  /** Throws IdentityError, once it is recorded. */
  async enter(token: string, presented: Presented): Promise<Entered> {
    const entry = this.#entry(token, presented)
    entry.requests += 1
    const leave = (): void => {
      entry.requests -= 1
      entry.lastUsed = this.#now()
    }
    try {
      return { ...(await entry.open), leave }
    } catch (error) {
      leave()
      throw error
    }
  }

  /** When no request runs any more. */
  async close(reason: string): Promise<void> {
    clearInterval(this.#sweep)
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(all.map(async ({ open }) => (await open).session.close(reason)))
  }

  #entry(token: string, presented: Presented): Entry {
    const key = hash('sha256', JSON.stringify([token, presented.certificate]))
    const known = this.#open.get(key)
    if (known !== undefined && this.#now() - known.since < VERIFIED_FOR_MS) return known
    const entry: Entry = {
      open: this.#verified(known, key, token, presented),
      since: this.#now(),
      lastUsed: this.#now(),
      requests: 0,
    }
    this.#open.set(key, entry)
    // Whoever waits for it sees why; the next one tries again.
    entry.open.catch(async () => {
      if (this.#open.get(key) === entry) this.#open.delete(key)
      await known?.open.then(({ session }) => session.close('token refused')).catch(() => undefined)
    })
    return entry
  }

  /** The session goes on under a token that is verified again. */
  async #verified(known: Entry | undefined, key: string, token: string, presented: Presented): Promise<Open> {
    const { source, client, certificate } = presented
    const principal = await this.#host.identify({ kind: 'token', token, source, certificate })
    if (known !== undefined) return { principal, session: (await known.open).session }
    const session = await this.#host.openSession(principal, { source, client: { user_agent: client } })
    session.over.addEventListener('abort', () => void this.#ended(key, session))
    return { principal, session }
  }

  /** Its principal may not go on: whoever comes with the token next is asked who they are, and sent away. */
  async #ended(key: string, session: Session): Promise<void> {
    this.#open.delete(key)
    await session.close('credentials over').catch(() => undefined) // evidence that can't be written ends the process itself
  }

  async #closeIdle(): Promise<void> {
    const longAgo = this.#now() - this.#idleMs
    for (const [key, { open, lastUsed, requests }] of this.#open) {
      if (requests > 0 || lastUsed > longAgo) continue
      this.#open.delete(key)
      await open.then(({ session }) => session.close('idle')).catch(() => undefined) // evidence that can't be written ends the process itself
    }
  }
}
