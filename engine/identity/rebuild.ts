import type { Database } from '../state/index.ts'
import { recordedRevocation } from './revocation-document.ts'
import { RevocationStore } from './revocation-store.ts'

/**
 * Puts into the store what evidence tells of revocations and it has not: a process killed between the two left evidence
 * ahead. `told`: the `detail.revocation` of every record that has one, in any order. Resolves with how many were missing.
 */
export async function rebuildRevocations(database: Database, told: Iterable<unknown>): Promise<number> {
  const store = new RevocationStore(database)
  const known = new Map((await store.all()).revocations.map((each) => [each.id, each]))
  let missing = 0
  for (const revocation of [...told].map(recordedRevocation)) {
    const there = known.get(revocation.id)
    if (there !== undefined && (there.released !== null || revocation.released === null)) continue
    await store.put(revocation)
    known.set(revocation.id, revocation)
    missing += 1
  }
  return missing
}
