import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { lifecycleFrom } from './document.ts'
import { kept, NOTHING_YET, type Lifecycle } from './lifecycle.ts'

export interface Standing {
  readonly life: Lifecycle
  /** The evidence writer that is changing it; null: nobody is. */
  readonly writer: string | null
}

const ONLY = 1

/** The tables of engine/lifecycle. Every failure is a StateError, ERR_STATE_QUERY. */
export class LifecycleStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  standing(): Promise<Standing> {
    return asked(async () => {
      const query = this.#database.selectFrom('policy_lifecycle').select(['document', 'changing'])
      const row = await query.where('number', '=', ONLY).executeTakeFirst()
      if (row === undefined) return { life: NOTHING_YET, writer: null }
      return { life: lifecycleFrom(row.document), writer: row.changing }
    })
  }

  /** The version alone, for those who follow. */
  version(): Promise<number> {
    return asked(async () => {
      const query = this.#database.selectFrom('policy_lifecycle').select('version').where('number', '=', ONLY)
      return (await query.executeTakeFirst())?.version ?? 0
    })
  }

  /** Takes the row for the change that follows this version; false where another gateway has it or has changed it since. */
  claim(version: number, writer: string): Promise<boolean> {
    return asked(async () => {
      const first = { number: ONLY, version: 0, document: JSON.stringify(NOTHING_YET), changing: null }
      await this.#database
        .insertInto('policy_lifecycle')
        .values(first)
        .onConflict((all) => all.doNothing())
        .execute()
      const query = this.#database.updateTable('policy_lifecycle').set({ changing: writer }).where('number', '=', ONLY)
      const free = query.where('version', '=', version).where('changing', 'is', null)
      return (await free.executeTakeFirst()).numUpdatedRows === 1n
    })
  }

  /** The claimed change takes place: evidence has it. Bundles that nothing names any more are let go. */
  settle(life: Lifecycle, writer: string): Promise<void> {
    return asked(() =>
      this.#database.transaction().execute(async (inner) => {
        const row = { version: life.version, document: JSON.stringify(life), changing: null }
        const query = inner.updateTable('policy_lifecycle').set(row).where('number', '=', ONLY)
        const own = query.where('version', '=', life.version - 1).where('changing', '=', writer)
        if ((await own.executeTakeFirst()).numUpdatedRows !== 1n) throw new Error('another writer has changed it')
        await inner
          .deleteFrom('policy_bundles')
          .where('digest', 'not in', [...kept(life), ''])
          .execute()
      }),
    )
  }

  /** The claimed change does not take place: evidence has refused it. */
  release(version: number, writer: string): Promise<void> {
    return asked(async () => {
      const query = this.#database.updateTable('policy_lifecycle').set({ changing: null }).where('number', '=', ONLY)
      await query.where('version', '=', version).where('changing', '=', writer).execute()
    })
  }

  /** Puts in what evidence tells, in the place of what stood there; nothing where that has changed meanwhile. */
  restore(life: Lifecycle, { life: { version }, writer }: Standing): Promise<void> {
    return asked(async () => {
      const row = { number: ONLY, version: life.version, document: JSON.stringify(life), changing: null }
      const insert = this.#database.insertInto('policy_lifecycle').values(row)
      await insert.onConflict((all) => all.doNothing()).execute()
      const update = this.#database.updateTable('policy_lifecycle').set(row).where('number', '=', ONLY)
      await update
        .where('version', '=', version)
        .where('changing', writer === null ? 'is' : '=', writer)
        .execute()
    })
  }

  keepBundle(digest: string, archive: Uint8Array): Promise<void> {
    return asked(async () => {
      const row = { digest, archive: Buffer.from(archive).toString('base64') }
      const query = this.#database.insertInto('policy_bundles').values(row)
      await query.onConflict((found) => found.column('digest').doUpdateSet({ archive: row.archive })).execute()
    })
  }

  bundle(digest: string): Promise<Buffer | null> {
    return asked(async () => {
      const query = this.#database.selectFrom('policy_bundles').select('archive').where('digest', '=', digest)
      const row = await query.executeTakeFirst()
      return row === undefined ? null : Buffer.from(row.archive, 'base64')
    })
  }

  /** The bundle that this instance's configuration named when it last looked; null: it never has. */
  lastFile(instance: string): Promise<string | null> {
    return asked(async () => {
      const query = this.#database.selectFrom('policy_files').select('digest').where('instance', '=', instance)
      return (await query.executeTakeFirst())?.digest ?? null
    })
  }

  sawFile(instance: string, digest: string): Promise<void> {
    return asked(async () => {
      const query = this.#database.insertInto('policy_files').values({ instance, digest })
      await query.onConflict((found) => found.column('instance').doUpdateSet({ digest })).execute()
    })
  }

  /** The candidate that runs beside the live policy; null: none. */
  candidate(): Promise<string | null> {
    return asked(async () => {
      const query = this.#database.selectFrom('policy_candidates').select('digest').where('number', '=', ONLY)
      return (await query.executeTakeFirst())?.digest ?? null
    })
  }

  setCandidate(digest: string | null): Promise<void> {
    return asked(async () => {
      await this.#database.deleteFrom('policy_candidates').execute()
      if (digest !== null)
        await this.#database.insertInto('policy_candidates').values({ number: ONLY, digest }).execute()
    })
  }

  /** What one gateway has counted of a candidate, in the place of what it had counted before. */
  keepCounts(instance: string, digest: string, document: string): Promise<void> {
    return asked(async () => {
      const query = this.#database.insertInto('policy_shadows').values({ instance, digest, document })
      await query.onConflict((found) => found.columns(['instance', 'digest']).doUpdateSet({ document })).execute()
    })
  }

  counts(digest: string): Promise<readonly { readonly instance: string; readonly document: string }[]> {
    return asked(() =>
      this.#database
        .selectFrom('policy_shadows')
        .select(['instance', 'document'])
        .where('digest', '=', digest)
        .orderBy('instance')
        .execute(),
    )
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
