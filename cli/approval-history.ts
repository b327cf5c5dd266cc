import { tellsApproval, type EvidenceStore } from '../engine/evidence/index.ts'

/**
 * The approval of every record of a hold or a grant in a store of evidence, with its summary put back from the payload. Where
 * retention has erased the summary the hold has long come to its end, and an empty one stands in. `instance`: only what
 * this gateway has written, where state is its own; null: what all have, where state is shared. `policies`: gets what the
 * same records tell of the life of policies, once the approvals have all been read; `revocations` what they tell of those.
 */
export async function* approvalHistory(
  store: EvidenceStore,
  instance: string | null,
  policies: unknown[] = [],
  revocations: unknown[] = [],
): AsyncGenerator {
  for await (const { record, payload } of store.stateChanges()) {
    if (instance !== null && !record.writerId.startsWith(`${instance}.`)) continue
    if (record.event.startsWith('policy.')) {
      const change = record.detail?.['change']
      if (change !== undefined) policies.push(change)
    }
    const revocation = isIdentity(record.event) ? record.detail?.['revocation'] : undefined
    if (revocation !== undefined) revocations.push(revocation)
    if (!tellsApproval(record.event)) continue
    const summary: unknown = Reflect.get(Object(payload), 'summary') ?? {}
    yield { ...record.approval, summary }
  }
}

function isIdentity(event: string): boolean {
  return event.startsWith('credential.') || event.startsWith('agent.')
}
