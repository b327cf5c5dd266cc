import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Notice, Outbox } from '../../engine/approvals/index.ts'
import type { Webhook } from '../../engine/config/index.ts'
import type { JsonObject } from '../../engine/index.ts'
import { allowedLookup, isAllowed } from './address.ts'
import { withLink } from './message.ts'
import { signedHeaders } from './signature.ts'

const LOOK_MS = 500
const AT_A_TIME = 16
const TIMEOUT_MS = 15_000
/** How long an attempt keeps others off: longer than it can take. */
const LEASE_MS = 60_000
/** From one failure to the next attempt, in seconds: about three days in all. */
const BACKOFF = [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const
const LINKS_SWEPT_EVERY_LOOKS = 7_200

export interface SenderRooms {
  readonly outbox: Outbox
  readonly webhooks: readonly Webhook[]
  /** What browsers call the gateway. */
  publicUrl(): Promise<string>
  /** Milliseconds since 1970. */
  now(): number
  /** 0 to 1: attempts of many messages at one receiver that was away don't come together. */
  random(): number
  readonly log: (event: string, fields: JsonObject) => void
}

/** Sends what the outbox holds, at least once each, in no promised order. A receiver that is away holds up nobody. */
export class WebhookSender {
  readonly #rooms: SenderRooms
  readonly #closing = new AbortController()
  readonly #agents = new Map<boolean, Agent>()
  #running: Promise<void> = Promise.resolve()

  constructor(rooms: SenderRooms) {
    this.#rooms = rooms
  }

  start(): void {
    this.#running = this.#run()
  }

  /** What is under way is given up; it stays in the outbox. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()))
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    for (let looks = 0; !signal.aborted; looks += 1) {
      try {
        if (looks % LINKS_SWEPT_EVERY_LOOKS === 0) await this.#rooms.outbox.sweepLinks(this.#rooms.now())
        await this.#sendDue()
      } catch (error) {
        this.#rooms.log('webhook.outbox_failed', { message: reasonOf(error) })
      }
      await sleep(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  async #sendDue(): Promise<void> {
    const due = await this.#rooms.outbox.due(this.#rooms.now(), AT_A_TIME)
    const outcomes = await Promise.allSettled(due.map((notice) => this.#attempt(notice)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #attempt(notice: Notice): Promise<void> {
    const { outbox, webhooks, log } = this.#rooms
    const webhook = webhooks.find(({ name }) => name === notice.endpoint)
    if (!(await outbox.take(notice, this.#rooms.now() + LEASE_MS))) return
    if (webhook === undefined) return this.#giveUp(notice, 'the configuration has no such webhook any more')
    const trouble = await this.#post(webhook, notice)
    if (trouble === null) return outbox.drop(notice.id)
    if (this.#closing.signal.aborted) return outbox.postpone(notice.id, this.#rooms.now())
    const seconds = trouble.isFinal ? undefined : BACKOFF[notice.attempts]
    if (seconds === undefined) return this.#giveUp(notice, trouble.message)
    log('webhook.failed', { webhook: webhook.name, message: trouble.message, again_in_s: seconds })
    await outbox.postpone(notice.id, this.#rooms.now() + seconds * 1000 * (0.8 + 0.4 * this.#rooms.random()))
  }

  async #giveUp({ id, endpoint }: Notice, message: string): Promise<void> {
    this.#rooms.log('webhook.given_up', { webhook: endpoint, notice: id, message })
    await this.#rooms.outbox.drop(id)
  }

  /** null: it has arrived. A redirect is not followed: it would lead where nobody has looked. */
  async #post({ url, keys, privateNetwork }: Webhook, { id, body: bare, path }: Notice): Promise<Trouble | null> {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0 && !isAllowed(host, privateNetwork)) {
      return { isFinal: false, message: `no webhook may go to ${host}` }
    }
    try {
      const body = withLink(bare, `${await this.#rooms.publicUrl()}${path}`)
      const headers = { 'content-type': 'application/json', ...signedHeaders({ id, body }, keys, this.#rooms.now()) }
      const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#closing.signal])
      const dispatcher = this.#agent(privateNetwork)
      const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher })
      await answer.body.dump({ limit: 16 * 1024, signal }).catch(() => undefined)
      if (answer.statusCode >= 200 && answer.statusCode < 300) return null
      return { isFinal: answer.statusCode === 410, message: `it answered ${answer.statusCode}` }
    } catch (error) {
      return { isFinal: false, message: reasonOf(error) }
    }
  }

  #agent(privateNetwork: boolean): Agent {
    const known = this.#agents.get(privateNetwork)
    if (known !== undefined) return known
    const agent = new Agent({
      connect: { lookup: allowedLookup(privateNetwork), timeout: TIMEOUT_MS },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    })
    this.#agents.set(privateNetwork, agent)
    return agent
  }
}

interface Trouble {
  /** The receiver has said that it will never take it. */
  readonly isFinal: boolean
  readonly message: string
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
