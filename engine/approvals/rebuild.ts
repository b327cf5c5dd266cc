import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { mayBecome, type Approval } from './approval.ts'
import { approvalFrom } from './document.ts'
import { ApprovalStore } from './store.ts'

/**
 * Brings the table up to evidence, before the ledger is opened: a process killed between the two left evidence ahead.
 * `approvals`: the approval of every `approval.*` record, in the log's order. All of it or nothing; again changes
 * nothing. Resolves with how many changes the table lacked. Throws ERR_STATE_REBUILD where the log tells of a step that
 * the ledger can't have made.
 */
export async function rebuild(
  database: Database,
  approvals: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<number> {
  return new ApprovalStore(database).transaction(async (store) => {
    let missing = 0
    for await (const value of approvals) if (await replay(store, approvalFrom(value))) missing += 1
    return missing
  })
}

async function replay(store: ApprovalStore, approval: Approval): Promise<boolean> {
  const stored = await store.get(approval.id)
  if (stored === null) {
    if (approval.version !== 1 || approval.state !== 'requested') throw impossible(approval, 'nothing')
    await store.insert(approval)
    return true
  }
  if (stored.version >= approval.version) return false
  if (stored.version + 1 !== approval.version || !mayBecome(stored.state, approval.state)) {
    throw impossible(approval, `version ${stored.version}, ${stored.state}`)
  }
  await store.replace(approval)
  return true
}

function impossible({ id, version, state }: Approval, found: string): StateError {
  const message = `evidence tells of approval ${id} at version ${version}, ${state}, where the state database has ${found}: verify the evidence before going on`
  return new StateError('ERR_STATE_REBUILD', message)
}
