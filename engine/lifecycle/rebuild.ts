import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { changeFrom } from './document.ts'
import { after, type Change } from './lifecycle.ts'
import { LifecycleStore } from './store.ts'

/**
 * Brings the account of policies up to evidence: a process killed between the two left evidence ahead. `changes`: the
 * `detail.change` of every `policy.*` record that has one, in any order. `isOver`: whether an evidence writer is no more, so
 * that its claim ends here; what a writer that lives has claimed is that one's to finish. Again changes nothing. Resolves
 * with how many changes the table lacked. Throws ERR_STATE_REBUILD where one is missing. Bundles are not in evidence: one
 * that is lost with the state is to be proposed again.
 */
export async function rebuildPolicies(
  database: Database,
  changes: Iterable<unknown>,
  isOver: (writer: string) => boolean = () => true,
): Promise<number> {
  const store = new LifecycleStore(database)
  const told = [...changes].map(changeFrom)
  const standing = await store.standing()
  const { life, writer } = standing
  if (writer !== null && !isOver(writer)) return 0
  const lacking = told.filter(({ number }) => number > life.version).toSorted((one, other) => one.number - other.number)
  const rebuilt = lacking.reduce((state, change) => {
    if (change.number !== state.version + 1) throw gap(change, state.version)
    return after(state, change)
  }, life)
  if (lacking.length > 0 || writer !== null) await store.restore(rebuilt, standing)
  return lacking.length
}

function gap({ number }: Change, version: number): StateError {
  const message = `evidence tells of change ${number} of policies, where the state database is at ${version}: verify the evidence before going on`
  return new StateError('ERR_STATE_REBUILD', message)
}
