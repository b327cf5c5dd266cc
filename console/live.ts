import { hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { FastifySchema } from 'fastify'
import type { ApprovalLedger } from '../engine/approvals/index.ts'
import type { OverviewDoor } from '../engine/overview/index.ts'
import type { App } from './app.ts'

const LOOK_MS = 1_000
const HEARTBEAT_LOOKS = 15
/** Pages that listen at a time; one more is told to come again. */
const MOST = 200

interface Watched {
  readonly ledger: ApprovalLedger
  readonly overview: OverviewDoor
}

/**
 * `GET /v1/events` (server-sent events, WHATWG HTML 9.2): tells pages that approvals have changed, or that evidence has
 * gone on, not how: what each may read they ask for again. One look a second for all of them, and none while nobody listens.
 */
export function liveRoutes(app: App, watched: Watched): void {
  const listeners = new Listeners(watched)
  app.addHook('preClose', async () => listeners.close())
  const schema: FastifySchema = {
    summary: 'Server-sent events: `approvals` and `evidence`, when either has changed',
    tags: ['people'],
    response: { 200: { description: 'text/event-stream' } },
  }
  app.get('/v1/events', { schema }, async (_request, reply) => {
    if (listeners.size >= MOST) return reply.code(503).header('retry-after', '30').send()
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.write('retry: 2000\n\n')
    listeners.add(response)
    return reply
  })
}

class Listeners {
  readonly #ledger: ApprovalLedger
  readonly #overview: OverviewDoor
  /** How to be told no more; null while nobody listens, so that the index may rest. */
  #unwatch: (() => void) | null = null
  #hasAdvanced = false
  readonly #open = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | null = null
  #seen = ''
  #looks = 0

  constructor({ ledger, overview }: Watched) {
    this.#ledger = ledger
    this.#overview = overview
  }

  get size(): number {
    return this.#open.size
  }

  add(response: ServerResponse): void {
    this.#open.add(response)
    response.on('close', () => {
      this.#open.delete(response)
      if (this.#open.size === 0) this.#stop()
    })
    this.#unwatch ??= this.#overview.onAdvance(() => {
      this.#hasAdvanced = true
    })
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS).unref()
  }

  close(): void {
    this.#stop()
    for (const response of this.#open) response.end()
    this.#open.clear()
  }

  #stop(): void {
    clearInterval(this.#timer ?? undefined)
    this.#timer = null
    this.#unwatch?.()
    this.#unwatch = null
    this.#seen = ''
  }

  async #look(): Promise<void> {
    this.#looks += 1
    if (this.#hasAdvanced) this.#tell('event: evidence\ndata: more\n\n')
    this.#hasAdvanced = false
    const seen = await this.#standing()
    if (seen !== this.#seen) this.#tell(`event: approvals\ndata: ${seen}\n\n`)
    else if (this.#looks % HEARTBEAT_LOOKS === 0) this.#tell(': still here\n\n')
    this.#seen = seen
  }

  /** A ledger that can't be read is a change too: pages then ask, and are told what is wrong. */
  async #standing(): Promise<string> {
    try {
      const approvals = await this.#ledger.list()
      return hash('sha256', approvals.map(({ id, version }) => `${id} ${version}`).join('\n')).slice(0, 16)
    } catch {
      return 'unreadable'
    }
  }

  /** A page that doesn't read is let go of, not waited for. */
  #tell(text: string): void {
    for (const response of this.#open) if (!response.write(text)) response.destroy()
  }
}
