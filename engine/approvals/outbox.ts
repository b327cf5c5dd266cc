import { hash, randomBytes } from 'node:crypto'
import type { Database } from '../state/index.ts'
import type { ApprovalEvent } from './approval.ts'

/** One message to one endpoint, in the store from the moment that what it tells is true, until it has arrived. */
export interface Notice {
  /** The same at every attempt, so that a receiver knows one that came twice. */
  readonly id: string
  readonly endpoint: string
  /** JSON. */
  readonly body: string
  /** Of a page of the console, good for one time; empty: none. */
  readonly path: string
  readonly attempts: number
}

/** A link's secret, and what the store keeps of it. */
interface Link {
  readonly path: string
  readonly digest: string
}

/** What is told of an event, to whom; called within the change itself. */
export type Announce = (event: ApprovalEvent) => readonly Pick<Notice, 'endpoint' | 'body'>[]

const LINKS = '/console/l/'
/** A link outlives what it leads to, so that it tells what became of that. */
const LINK_DAYS_MS = 7 * 86_400_000

/** Messages that have not arrived yet, and links that nobody has used: durable, shared by all gateways of a store. */
export class Outbox {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** In the transaction of whoever calls: the change and what is told of it are there together, or neither is. */
  async put(event: ApprovalEvent, announce: Announce, now: number): Promise<void> {
    for (const { endpoint, body } of announce(event)) {
      const { path, digest } = newLink()
      const expires_at = Math.max(now, event.approval.expiresAt) + LINK_DAYS_MS
      const id = `msg_${randomBytes(18).toString('base64url')}`
      const notice = { id, endpoint, body, path, attempts: 0, next_at: now }
      await this.#database.insertInto('approval_notices').values(notice).execute()
      const link = { digest, approval: event.approval.id, expires_at, used_by: null }
      await this.#database.insertInto('approval_links').values(link).execute()
    }
  }

  /** Those whose time has come, the oldest first. */
  async due(now: number, limit: number): Promise<readonly Notice[]> {
    const columns = ['id', 'endpoint', 'body', 'path', 'attempts'] as const
    const query = this.#database.selectFrom('approval_notices').select(columns).where('next_at', '<=', now)
    return query.orderBy('next_at').orderBy('id').limit(limit).execute()
  }

  /** Takes one for an attempt: until then nobody else sees it, whatever becomes of this process. False: another has it. */
  async take({ id, attempts }: Notice, until: number): Promise<boolean> {
    const query = this.#database.updateTable('approval_notices').set({ attempts: attempts + 1, next_at: until })
    const { numUpdatedRows } = await query.where('id', '=', id).where('attempts', '=', attempts).executeTakeFirst()
    return numUpdatedRows === 1n
  }

  async postpone(id: string, until: number): Promise<void> {
    await this.#database.updateTable('approval_notices').set({ next_at: until }).where('id', '=', id).execute()
  }

  /** It has arrived, or is given up. */
  async drop(id: string): Promise<void> {
    await this.#database.deleteFrom('approval_notices').where('id', '=', id).execute()
  }

  /** The approval that a link leads to, once; null for one that was used, is over, or never was. */
  async followLink(token: string, by: string, now: number): Promise<string | null> {
    const digest = digestOf(token)
    const unused = this.#database.updateTable('approval_links').set({ used_by: by }).where('digest', '=', digest)
    const query = unused.where('used_by', 'is', null).where('expires_at', '>', now)
    const { numUpdatedRows } = await query.executeTakeFirst()
    if (numUpdatedRows !== 1n) return null
    const row = this.#database.selectFrom('approval_links').select('approval').where('digest', '=', digest)
    return (await row.executeTakeFirst())?.approval ?? null
  }

  /** Lets go of links that lead nowhere any more. */
  async sweepLinks(now: number): Promise<void> {
    await this.#database.deleteFrom('approval_links').where('expires_at', '<=', now).execute()
  }
}

function newLink(): Link {
  const token = randomBytes(32).toString('base64url')
  return { path: `${LINKS}${token}`, digest: digestOf(token) }
}

function digestOf(token: string): string {
  return hash('sha256', token)
}
