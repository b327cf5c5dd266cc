import type { JsonObject } from '../access-request.ts'
import { StateError } from '../errors.ts'
import type { Database } from '../state/index.ts'
import { recordedRevocation } from './revocation-document.ts'
import { RevocationStore } from './revocation-store.ts'
import type { SpentAssertion } from './saml/assertion-verifier.ts'

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

/**
 * Puts into the store which assertions evidence tells were used and it has not, as far as they would be taken again: of a
 * state that was lost, or put back from an older copy. `told`: the `detail.assertion` of every record that has one. Resolves
 * with how many were missing. Throws StateError ERR_STATE_REBUILD.
 */
export async function rebuildAssertions(database: Database, told: Iterable<unknown>, now: number): Promise<number> {
  const store = new RevocationStore(database)
  let missing = 0
  for (const spent of [...told].map(recordedAssertion)) {
    if (spent.forgetAt >= now && (await store.use(spent, now))) missing += 1
  }
  return missing
}

/** What evidence is told of an assertion that was used. */
export function assertionDetail({ digest, forgetAt }: SpentAssertion): JsonObject {
  return { digest, until: new Date(forgetAt).toISOString() }
}

function recordedAssertion(value: unknown): SpentAssertion {
  const { digest, until }: { readonly digest?: unknown; readonly until?: unknown } = Object(value)
  const forgetAt = typeof until === 'string' ? Date.parse(until) : Number.NaN
  if (typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest) && !Number.isNaN(forgetAt))
    return { digest, forgetAt }
  const message =
    'evidence tells of a SAML assertion in a form that nothing here writes: verify the evidence before going on'
  throw new StateError('ERR_STATE_REBUILD', message)
}
