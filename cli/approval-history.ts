import { tellsApproval, type EvidenceStore } from '../engine/evidence/index.ts'

/** What evidence tells of the life of policies, of revocations, and of assertions that were used. */
export interface StateTold {
  readonly policies: unknown[]
  readonly revocations: unknown[]
  readonly assertions: unknown[]
}

export function stateTold(): StateTold {
  return { policies: [], revocations: [], assertions: [] }
}

/**
 * The approval of every record of a hold or a grant in a store of evidence, with its summary put back from the payload. Where
 * retention has erased the summary the hold has long come to its end, and an empty one stands in. `instance`: only what
 * this gateway has written, where state is its own; null: what all have, where state is shared. `beside`: gets what the
 * same records tell of the rest of state, once the approvals have all been read.
 */
export async function* approvalHistory(
  store: EvidenceStore,
  instance: string | null,
  beside: StateTold = stateTold(),
): AsyncGenerator {
  for await (const { record, payload } of store.stateChanges()) {
    if (instance !== null && !record.writerId.startsWith(`${instance}.`)) continue
    if (record.event.startsWith('policy.')) {
      const change = record.detail?.['change']
      if (change !== undefined) beside.policies.push(change)
    }
    const revocation = isIdentity(record.event) ? record.detail?.['revocation'] : undefined
    if (revocation !== undefined) beside.revocations.push(revocation)
    const assertion = record.event.startsWith('identity.') ? record.detail?.['assertion'] : undefined
    if (assertion !== undefined) beside.assertions.push(assertion)
    if (!tellsApproval(record.event)) continue
    const summary: unknown = Reflect.get(Object(payload), 'summary') ?? {}
    yield { ...record.approval, summary }
  }
}

function isIdentity(event: string): boolean {
  return event.startsWith('credential.') || event.startsWith('agent.')
}
