import { readRecords } from '../engine/evidence/index.ts'

/**
 * The approval of every `approval.*` record in a directory of evidence, with its summary put back from the payload, in the
 * order of the log. Where retention has erased the summary the hold has long come to its end, and an empty one stands in.
 * `instance`: only what this gateway has written.
 */
export async function* approvalHistory(directory: string, instance: string): AsyncGenerator {
  for await (const { record, payload } of readRecords(directory, { mark: '"event":"approval.' })) {
    if (!record.event.startsWith('approval.') || !record.writerId.startsWith(`${instance}.`)) continue
    const summary: unknown = Reflect.get(Object(payload), 'summary') ?? {}
    yield { ...record.approval, summary }
  }
}
