import type { EvidenceStore } from '../engine/evidence/index.ts'

/**
 * The approval of every `approval.*` record in a store of evidence, with its summary put back from the payload. Where
 * retention has erased the summary the hold has long come to its end, and an empty one stands in. `instance`: only what
 * this gateway has written, where state is its own; null: what all have, where state is shared.
 */
export async function* approvalHistory(store: EvidenceStore, instance: string | null): AsyncGenerator {
  for await (const { record, payload } of store.approvals()) {
    if (!record.event.startsWith('approval.')) continue
    if (instance !== null && !record.writerId.startsWith(`${instance}.`)) continue
    const summary: unknown = Reflect.get(Object(payload), 'summary') ?? {}
    yield { ...record.approval, summary }
  }
}
