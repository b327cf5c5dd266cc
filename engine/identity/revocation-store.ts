import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import type { SpentAssertion } from './saml/assertion-verifier.ts'
import { revocationFrom } from './revocation-document.ts'
import type { Revocation } from './revocation.ts'

const ONLY = 1

/**
 * The tables of what is revoked and which assertions have been used. Every failure is a StateError, ERR_STATE_QUERY.
 * Revocations are only ever added and released: two gateways that write at once can't undo each other's.
 */
export class RevocationStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Counts changes: for those who follow. */
  version(): Promise<number> {
    return asked(async () => {
      const query = this.#database.selectFrom('revocation_versions').select('version').where('number', '=', ONLY)
      return (await query.executeTakeFirst())?.version ?? 0
    })
  }

  /** All of them with the version that they are of at the least. */
  async all(): Promise<{ readonly version: number; readonly revocations: readonly Revocation[] }> {
    const version = await this.version() // before: what comes between the two is looked at again
    const rows = await asked(() => this.#database.selectFrom('revocations').select('document').execute())
    return { version, revocations: rows.map(({ document }) => revocationFrom(document)) }
  }

  /** Adds one, or puts a released one in its place. Again changes nothing that counts; a release is never taken back. */
  put(revocation: Revocation): Promise<void> {
    return asked(() =>
      this.#database.transaction().execute(async (inner) => {
        const first = inner.insertInto('revocation_versions').values({ number: ONLY, version: 0 })
        await first.onConflict((found) => found.doNothing()).execute()
        const version = inner.updateTable('revocation_versions').where('number', '=', ONLY)
        await version.set(({ eb }) => ({ version: eb('version', '+', 1) })).execute()
        const { id } = revocation
        const insert = inner.insertInto('revocations').values({ id, document: JSON.stringify(revocation) })
        if (revocation.released === null) await insert.onConflict((found) => found.doNothing()).execute()
        else {
          const document = JSON.stringify(revocation)
          await insert.onConflict((found) => found.column('id').doUpdateSet({ document })).execute()
        }
      }),
    )
  }

  /** True for the first that asks for this digest, at whichever gateway; durable when it resolves. */
  use({ digest, forgetAt }: SpentAssertion, now: number): Promise<boolean> {
    return asked(async () => {
      await this.#database.deleteFrom('used_assertions').where('forget_at', '<', now).execute()
      const insert = this.#database.insertInto('used_assertions').values({ digest, forget_at: forgetAt })
      const { numInsertedOrUpdatedRows: added } = await insert
        .onConflict((found) => found.doNothing())
        .executeTakeFirstOrThrow()
      return added === 1n
    })
  }
}

export async function asked<Result>(query: () => Promise<Result>): Promise<Result> {
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
