import { rebuild, type Announce } from '../engine/approvals/index.ts'
import type { ClosedWriters, EvidenceStore } from '../engine/evidence/index.ts'
import { rebuildRevocations } from '../engine/identity/index.ts'
import { rebuildPolicies } from '../engine/lifecycle/index.ts'
import { explain } from './exit.ts'
import type { Database } from '../engine/state/index.ts'
import { approvalHistory, stateTold } from './approval-history.ts'
import type { Log } from './log.ts'

/**
 * What follows in shared state when this gateway has closed the writers of one that did not come back: the holds and
 * policies which that one was changing when it died are brought up to evidence, and are anybody's to change again.
 */
export class ClosedPeers {
  readonly #store: EvidenceStore
  readonly #log: Log
  readonly #database = Promise.withResolvers<Database | null>()
  readonly #telling: { readonly announce?: Announce; readonly now: () => number }

  /** `telling`: what other programs are told of holds that the dead gateway may have told nobody of. */
  constructor(store: EvidenceStore, log: Log, telling: { readonly announce?: Announce; readonly now: () => number }) {
    this.#store = store
    this.#telling = telling
    this.#log = log
  }

  /** What was closed until now, and is from now on, is settled in this; null: state is this gateway's alone. */
  settleIn(database: Database | null): void {
    this.#database.resolve(database)
  }

  /** Never rejects: holds that can't be settled now stay claimed, which refuses, until a start settles them. */
  async add({ instance, last, inDoubt }: ClosedWriters): Promise<void> {
    this.#log.warn('evidence.peer_closed', { instance, by: last, decisions: inDoubt.map(({ decision }) => decision) })
    const isOver = (writer: string): boolean => writer.startsWith(`${instance}.`) && writer <= last
    try {
      const database = await this.#database.promise
      if (database === null) return
      const told = stateTold()
      await rebuild(database, approvalHistory(this.#store, null, told), isOver, this.#telling)
      await rebuildPolicies(database, told.policies, isOver)
      await rebuildRevocations(database, told.revocations)
    } catch (error) {
      this.#log.error('approvals.unsettled', { instance, message: explain(error) })
    }
  }
}
