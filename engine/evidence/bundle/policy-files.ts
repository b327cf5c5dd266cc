import { canonicalJson } from '../canonical-json.ts'
import { policyFolder } from './manifest.ts'
import { sorted, type PolicyTally, type Tally } from './tally.ts'

/** What the records say of one policy bundle: the metadata that stands beside the bundle's file, or in its place. */
function policyText(digest: string, { revisions, decisions, activations }: PolicyTally): string {
  return `${canonicalJson({ digest, revisions: [...revisions].toSorted(), decisions, activations })}\n`
}

/** `policy/<digest>/policy.json` for each policy that a record of the selection names. */
export function policyDocuments(tally: Tally): ReadonlyMap<string, string> {
  return new Map(
    sorted(tally.policies).map(([digest, policy]) => [
      `${policyFolder(digest)}/policy.json`,
      policyText(digest, policy),
    ]),
  )
}
