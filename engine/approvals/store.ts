import { StateError } from '../errors.ts'
import type { ApprovalRow, Database } from '../state/index.ts'
import type { Approval, ApprovalDraft, ApprovalEvent, ApprovalState } from './approval.ts'
import { approvalFrom } from './document.ts'
import { Outbox, type Announce } from './outbox.ts'

/** What makes two holds one: the same request, by the same requester, under the same policy. */
export type Binding = Pick<ApprovalDraft, 'digest'> & {
  readonly requester: { readonly id: string; readonly issuer: string }
  readonly policy: { readonly digest: string }
}

export interface Narrowing {
  readonly kind?: ApprovalRow['kind']
  readonly requester?: { readonly id: string; readonly issuer: string }
  readonly limit?: number
}

/** An approval on its way to its next version. `version`: the one that the table has; 0 where it is a new one. */
export interface Claim {
  readonly id: string
  readonly version: number
  readonly writer: string
}

/** The approvals table. Every failure is a StateError, ERR_STATE_QUERY. */
export class ApprovalStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  get(id: string): Promise<Approval | null> {
    return asked(async () => {
      const row = await this.#database
        .selectFrom('approvals')
        .select('document')
        .where('id', '=', id)
        .where('version', '>', 0)
        .executeTakeFirst()
      return row === undefined ? null : read(row)
    })
  }

  /** The one that can still be answered or used; the table's unique index lets there be no second. */
  findOpen({ digest, requester, policy }: Binding): Promise<Approval | null> {
    return asked(async () => {
      const row = await this.#database
        .selectFrom('approvals')
        .select('document')
        .where('digest', '=', digest)
        .where('requester_id', '=', requester.id)
        .where('requester_issuer', '=', requester.issuer)
        .where('policy_digest', '=', policy.digest)
        .where('state', 'in', ['requested', 'granted'])
        .where('version', '>', 0)
        .executeTakeFirst()
      return row === undefined ? null : read(row)
    })
  }

  /** Newest first; all of them, or at most `limit`. */
  list(states: readonly ApprovalState[], { kind, requester, limit }: Narrowing = {}): Promise<readonly Approval[]> {
    return asked(async () => {
      let query = this.#database
        .selectFrom('approvals')
        .select('document')
        .where('state', 'in', states)
        .where('version', '>', 0)
        .orderBy('requested_at', 'desc')
        .orderBy('id', 'desc')
      if (kind !== undefined) query = query.where('kind', '=', kind)
      if (requester !== undefined) {
        query = query.where('requester_id', '=', requester.id).where('requester_issuer', '=', requester.issuer)
      }
      const rows = await (limit === undefined ? query : query.limit(limit)).execute()
      return rows.map(read)
    })
  }

  /** Those to which something happens by itself, in time: open ones, and reviews that are due. */
  awaitingTime(): Promise<readonly Approval[]> {
    return asked(async () => {
      const query = this.#database.selectFrom('approvals').select('document').where('version', '>', 0)
      const rows = await query
        .where((each) => each.or([each('state', 'in', ['requested', 'granted']), each('review_due', 'is not', null)]))
        .orderBy('requested_at')
        .execute()
      return rows.map(read)
    })
  }

  /** Of these, those that are no longer `requested`. */
  settled(ids: readonly string[]): Promise<readonly Approval[]> {
    return asked(async () => {
      const query = this.#database.selectFrom('approvals').select('document').where('id', 'in', ids)
      const rows = await query.where('state', '!=', 'requested').where('version', '>', 0).execute()
      return rows.map(read)
    })
  }

  /**
   * Takes an approval for the change to this version, before evidence is told of it; answers false where another gateway
   * has it, or has changed it since it was read. A new one takes its binding as well: nobody else can ask the same.
   */
  claim(approval: Approval, writer: string): Promise<boolean> {
    return asked(async () => {
      if (approval.version === 1) {
        const claimed = { ...rowOf(approval), version: 0, changing: writer }
        const query = this.#database.insertInto('approvals').values(claimed)
        const { numInsertedOrUpdatedRows } = await query.onConflict((all) => all.doNothing()).executeTakeFirstOrThrow()
        return numInsertedOrUpdatedRows === 1n
      }
      const query = this.#before(approval).set({ changing: writer })
      const { numUpdatedRows } = await query.where('changing', 'is', null).executeTakeFirst()
      return numUpdatedRows === 1n
    })
  }

  /** The claimed change takes place: evidence has it. */
  settle(approval: Approval, writer: string): Promise<void> {
    return asked(async () => {
      const query = this.#before(approval).set(rowOf(approval)).where('changing', '=', writer)
      const { numUpdatedRows } = await query.executeTakeFirst()
      if (numUpdatedRows !== 1n) throw new Error(`approval ${approval.id} was changed by another writer`)
    })
  }

  /** What is to be told of a change, in the transaction that this store is. */
  announce(event: ApprovalEvent, announce: Announce, now: number): Promise<void> {
    return asked(() => new Outbox(this.#database).put(event, announce, now))
  }

  /** The claimed change does not take place: evidence has refused it. */
  release(approval: Approval, writer: string): Promise<void> {
    return asked(async () => {
      const own = this.#before(approval).set({ changing: null }).where('changing', '=', writer)
      if (approval.version > 1) await own.execute()
      else await this.#dropAsked(approval.id)
    })
  }

  /** Everything that is claimed: by whom, and at which version it stands. */
  claims(): Promise<readonly Claim[]> {
    return asked(async () => {
      const query = this.#database.selectFrom('approvals').select(['id', 'version', 'changing'])
      const rows = await query.where('changing', 'is not', null).execute()
      return rows.flatMap(({ id, version, changing }) => (changing === null ? [] : [{ id, version, writer: changing }]))
    })
  }

  /** Ends a claim of a writer that is no more, once all that evidence has of it is in the table. */
  disclaim({ id, version, writer }: Claim): Promise<void> {
    return asked(async () => {
      const query = this.#database.updateTable('approvals').set({ changing: null }).where('id', '=', id)
      if (version > 0) await query.where('changing', '=', writer).execute()
      else await this.#dropAsked(id)
    })
  }

  /** What the table has of an approval, and who has claimed it. */
  standing(id: string): Promise<{ readonly stored: Approval | null; readonly writer: string | null }> {
    return asked(async () => {
      const query = this.#database.selectFrom('approvals').select(['version', 'document', 'changing'])
      const row = await query.where('id', '=', id).executeTakeFirst()
      if (row === undefined) return { stored: null, writer: null }
      return { stored: row.version === 0 ? null : read(row), writer: row.changing }
    })
  }

  /** Puts in what evidence tells, in the place of this version; null: there is none in evidence before it. */
  restore(approval: Approval, version: number | null): Promise<void> {
    return asked(async () => {
      const row = rowOf(approval)
      const there = updateOf(this.#database).set(row).where('id', '=', approval.id)
      const { numUpdatedRows } = await there.where('version', '=', version ?? 0).executeTakeFirst()
      if (numUpdatedRows === 0n) await this.#database.insertInto('approvals').values(row).execute()
    })
  }

  #before({ id, version }: Approval): ReturnType<typeof updateOf> {
    return updateOf(this.#database)
      .where('id', '=', id)
      .where('version', '=', version - 1)
  }

  // One that was never in evidence: nobody has heard of it.
  async #dropAsked(id: string): Promise<void> {
    await this.#database.deleteFrom('approvals').where('id', '=', id).where('version', '=', 0).execute()
  }

  /** All of `work` or nothing. */
  transaction<Result>(work: (store: ApprovalStore) => Promise<Result>): Promise<Result> {
    return asked(() => this.#database.transaction().execute((inner) => work(new ApprovalStore(inner))))
  }
}

const updateOf = (database: Database): ReturnType<typeof database.updateTable<'approvals'>> =>
  database.updateTable('approvals')

async function asked<Result>(query: () => Promise<Result>): Promise<Result> {
  try {
    return await query()
  } catch (error) {
    if (error instanceof StateError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new StateError('ERR_STATE_QUERY', `the state database failed: ${reason}; is its disk full or gone?`, {
      cause: error,
    })
  }
}

function read(row: Pick<ApprovalRow, 'document'>): Approval {
  return approvalFrom(JSON.parse(row.document))
}

function rowOf(approval: Approval): ApprovalRow {
  return {
    id: approval.id,
    kind: approval.grant === undefined ? 'hold' : 'grant',
    review_due: reviewDue(approval),
    state: approval.state,
    digest: approval.digest,
    policy_digest: approval.policy.digest,
    requester_id: approval.requester.id,
    requester_issuer: approval.requester.issuer,
    requested_at: approval.requestedAt,
    expires_at: approval.expiresAt,
    version: approval.version,
    document: JSON.stringify(approval),
    changing: null,
  }
}

function reviewDue({ review }: Approval): number | null {
  return review === undefined || review.closed !== null || review.overdue ? null : review.dueAt
}
