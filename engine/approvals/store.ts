import { StateError } from '../errors.ts'
import type { ApprovalRow, Database } from '../state/index.ts'
import type { Approval, ApprovalDraft, ApprovalState } from './approval.ts'
import { approvalFrom } from './document.ts'

/** What makes two holds one: the same request, by the same requester, under the same policy. */
export type Binding = Pick<ApprovalDraft, 'digest'> & {
  readonly requester: { readonly id: string; readonly issuer: string }
  readonly policy: { readonly digest: string }
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
        .executeTakeFirst()
      return row === undefined ? null : read(row)
    })
  }

  /** Newest first; all of them, or at most `limit`. */
  list(states: readonly ApprovalState[], limit?: number): Promise<readonly Approval[]> {
    return asked(async () => {
      const query = this.#database
        .selectFrom('approvals')
        .select('document')
        .where('state', 'in', states)
        .orderBy('requested_at', 'desc')
        .orderBy('id', 'desc')
      const rows = await (limit === undefined ? query : query.limit(limit)).execute()
      return rows.map(read)
    })
  }

  insert(approval: Approval): Promise<void> {
    return asked(async () => {
      await this.#database.insertInto('approvals').values(rowOf(approval)).execute()
    })
  }

  /** Writes the version that follows the stored one; another writer's change in between makes it fail. */
  replace(approval: Approval): Promise<void> {
    return asked(async () => {
      const { numUpdatedRows } = await this.#database
        .updateTable('approvals')
        .set(rowOf(approval))
        .where('id', '=', approval.id)
        .where('version', '=', approval.version - 1)
        .executeTakeFirst()
      if (numUpdatedRows !== 1n) throw new Error(`approval ${approval.id} was changed by another writer`)
    })
  }

  /** All of `work` or nothing. */
  transaction<Result>(work: (store: ApprovalStore) => Promise<Result>): Promise<Result> {
    return asked(() => this.#database.transaction().execute((inner) => work(new ApprovalStore(inner))))
  }
}

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
    state: approval.state,
    digest: approval.digest,
    policy_digest: approval.policy.digest,
    requester_id: approval.requester.id,
    requester_issuer: approval.requester.issuer,
    requested_at: approval.requestedAt,
    expires_at: approval.expiresAt,
    version: approval.version,
    document: JSON.stringify(approval),
  }
}
