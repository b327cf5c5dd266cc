import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { eventOf, isOpen, mayBecome, mayBegin, type Approval } from './approval.ts'
import { approvalFrom } from './document.ts'
import type { Announce } from './outbox.ts'
import { ApprovalStore } from './store.ts'

/**
 * Brings the table up to evidence: a process killed between the two left evidence ahead. `approvals`: the approval of
 * every `approval.*` record, in any order: several gateways change a hold in turn, and the log has their records side by
 * side. `isOver`: whether an evidence writer is no more, so that its claims end here; by default all are. What a writer
 * that lives has claimed is that one's to finish. `announce`: what waits is told of, since who made it may have died first. All of it or nothing; again changes nothing. Resolves with how many
 * changes the table lacked. Throws ERR_STATE_REBUILD where the log tells of a step that no ledger can have made.
 */
export async function rebuild(
  database: Database,
  approvals: Iterable<unknown> | AsyncIterable<unknown>,
  isOver: (writer: string) => boolean = () => true,
  { announce, now }: { readonly announce?: Announce; readonly now: () => number } = { now: Date.now },
): Promise<number> {
  return new ApprovalStore(database).transaction(async (store) => {
    const chains = await chainsFrom(store, approvals, isOver)
    // Settled ones first: of the open ones there is one a request, and its place must be free.
    const ordered = chains.toSorted(
      (one, other) => Number(isOpen(newest(one).state)) - Number(isOpen(newest(other).state)),
    )
    for (const chain of ordered) {
      const approval = newest(chain)
      await store.restore(approval, chain.stored?.version ?? null)
      // Of what is over nobody has to hear any more: a store that is made anew would tell all of its past.
      const event = eventOf(null, approval)
      if (announce !== undefined && isOpen(approval.state)) await store.announce({ event, approval }, announce, now())
    }
    for (const claim of await store.claims()) if (isOver(claim.writer)) await store.disclaim(claim)
    return chains.reduce((count, { versions }) => count + versions.length, 0)
  })
}

/** What evidence has of one approval beyond the table. */
interface Chain {
  readonly stored: Approval | null
  /** In order, without a gap; at least one. */
  readonly versions: readonly Approval[]
}

function newest({ versions }: Chain): Approval {
  const last = versions.at(-1)
  if (last === undefined) throw new RangeError('a chain has at least one version')
  return last
}

async function chainsFrom(
  store: ApprovalStore,
  approvals: Iterable<unknown> | AsyncIterable<unknown>,
  isOver: (writer: string) => boolean,
): Promise<readonly Chain[]> {
  const lacking = new Map<string, { readonly stored: Approval | null; readonly versions: Map<number, Approval> }>()
  for await (const value of approvals) {
    const approval = approvalFrom(value)
    // Asked after the record was read: a live writer's row is claimed before its record is there.
    const { stored, writer } = await store.standing(approval.id)
    if (stored !== null && stored.version >= approval.version) continue
    if (writer !== null && !isOver(writer)) continue
    const known = lacking.get(approval.id) ?? { stored, versions: new Map<number, Approval>() }
    if (!known.versions.has(approval.version)) known.versions.set(approval.version, approval)
    lacking.set(approval.id, known)
  }
  return [...lacking.values()].map(({ stored, versions }) => chain(stored, [...versions.values()]))
}

function chain(stored: Approval | null, unordered: readonly Approval[]): Chain {
  const versions = unordered.toSorted((one, other) => one.version - other.version)
  let before = stored
  for (const approval of versions) {
    const follows = before === null ? mayBegin(approval) : mayBecome(before.state, approval.state)
    if (approval.version !== (before?.version ?? 0) + 1 || !follows) throw impossible(approval, before)
    before = approval
  }
  return { stored, versions }
}

function impossible({ id, version, state }: Approval, before: Approval | null): StateError {
  const found = before === null ? 'nothing' : `version ${before.version}, ${before.state}`
  const message = `evidence tells of approval ${id} at version ${version}, ${state}, where the state database has ${found}: verify the evidence before going on`
  return new StateError('ERR_STATE_REBUILD', message)
}
