import type { JsonObject, Principal } from '../access-request.ts'
import type { RecordDraft } from '../evidence/index.ts'
import type { ActivePolicy } from '../policy/index.ts'
import type { Change } from './lifecycle.ts'

const EVENTS: Readonly<Record<Change['kind'], RecordDraft['event']>> = {
  proposed: 'policy.proposed',
  tested: 'policy.tested',
  reviewed: 'policy.reviewed',
  activated: 'policy.activated',
  rolled_back: 'policy.rolled_back',
}

/** What evidence is told of one step in a policy's life. */
export function stepRecord(change: Change, by: Principal | null, detail: JsonObject): RecordDraft {
  return {
    event: EVENTS[change.kind],
    ...(by === null ? {} : { principal: by }),
    policy: change.policy,
    detail: { ...detail, change: asJson(change) },
  }
}

/** A pack's rules and self-tests grow with it, and a record may not; the digest covers them. */
export function metadataOf({ metadata }: ActivePolicy): JsonObject {
  const { rules: _rules, self_test: _tests, ...rest } = metadata
  return rest
}

/** Names of the self-test vectors that a bundle has. */
export function testNames({ metadata }: ActivePolicy): readonly string[] {
  const vectors: unknown = metadata['self_test']
  if (!Array.isArray(vectors)) return []
  return vectors.map((vector: unknown) => String(Reflect.get(Object(vector), 'name') ?? 'unnamed'))
}

/** Plain values are JSON, but TypeScript can't see it of a union. */
function asJson(change: Change): JsonObject {
  const copy: JsonObject = JSON.parse(JSON.stringify(change))
  return copy
}
