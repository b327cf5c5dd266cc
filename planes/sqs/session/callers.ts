import type { PlaneHost, Session } from '../../../engine/index.ts'
import type { Signer } from './authentication.ts'

interface Open {
  readonly session: Promise<Session>
  /** Requests that wait: broken off when their principal may not go on. */
  readonly waiting: Set<AbortController>
  /** Milliseconds since 1970, of its last request's end. */
  lastUsed: number
}

/**
 * One session in evidence for each set of credentials: HTTP has no connection that would be one. It opens with their first
 * request and ends when they have been idle for long, or the gateway stops.
 */
export class Callers {
  readonly #host: PlaneHost
  readonly #idleMs: number
  readonly #now: () => number
  readonly #open = new Map<string, Open>()
  readonly #sweep: NodeJS.Timeout

  constructor(host: PlaneHost, idleMs: number, now: () => number) {
    this.#host = host
    this.#idleMs = idleMs
    this.#now = now
    this.#sweep = setInterval(() => void this.#closeIdle(), Math.min(idleMs, 60_000)).unref()
  }

  /** Runs one request in its caller's session. `gone`: aborted when its client is, and when its principal may not go on. */
  async within<T>(
    signer: Signer,
    { source, gone }: { readonly source: string | null; readonly gone: AbortController },
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const open = this.#sessionOf(signer, source)
    open.waiting.add(gone)
    try {
      return await work(await open.session)
    } finally {
      open.waiting.delete(gone)
      open.lastUsed = this.#now()
    }
  }

  /** When no request runs any more. */
  async close(reason: string): Promise<void> {
    clearInterval(this.#sweep)
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(all.map(async ({ session }) => (await session).close(reason)))
  }

  #sessionOf({ accessKeyId, principal, role }: Signer, source: string | null): Open {
    const known = this.#open.get(accessKeyId)
    if (known !== undefined) return known
    const client = { access_key_id: accessKeyId, role: role?.arn ?? null, role_session: role?.session ?? null }
    const session = this.#host.openSession(principal, { source, client })
    const open: Open = { session, waiting: new Set(), lastUsed: this.#now() }
    this.#open.set(accessKeyId, open)
    session.then(
      ({ over }) => over.addEventListener('abort', () => this.#end(open), { once: true }),
      () => this.#open.delete(accessKeyId), // whoever waits for it sees why; the next one tries again
    )
    return open
  }

  /** Polls end. The session stays until it is idle: what else comes with its credentials is refused in it, and recorded. */
  #end({ waiting }: Open): void {
    for (const each of waiting) each.abort()
  }

  async #closeIdle(): Promise<void> {
    const longAgo = this.#now() - this.#idleMs
    for (const [accessKeyId, { session, lastUsed, waiting }] of this.#open) {
      if (waiting.size > 0 || lastUsed > longAgo) continue
      this.#open.delete(accessKeyId)
      await session.then((idle) => idle.close('idle')).catch(() => undefined) // evidence that can't be written ends the process itself
    }
  }
}
