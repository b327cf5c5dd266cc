/** Records that pages list one by one, as families: all of them are few beside decisions. */
export type Family = 'policy' | 'viewings' | 'agents' | 'access' | 'refusals' | 'system'

const FAMILIES: Readonly<Record<string, Family>> = {
  'replay.viewed': 'viewings',
  'evidence.exported': 'viewings',
  'report.generated': 'viewings',
  'identity.rejected': 'refusals',
  'access_review.completed': 'agents',
  'boundary.verified': 'system',
  'config.changed': 'system',
  'masking.failed_closed': 'system',
}
const PREFIXES: readonly (readonly [string, Family])[] = [
  ['policy.', 'policy'],
  ['agent.', 'agents'],
  ['access.', 'access'],
  ['breakglass.', 'access'],
  ['writer.', 'system'],
  ['gateway.', 'system'],
  ['key.', 'system'],
  ['retention.', 'system'],
  ['legal_hold.', 'system'],
  ['anomaly.', 'system'],
  ['incident.', 'system'],
]

export function familyOf(event: string): Family | null {
  return FAMILIES[event] ?? PREFIXES.find(([prefix]) => event.startsWith(prefix))?.[1] ?? null
}

export const FAMILY_NAMES: readonly Family[] = ['policy', 'viewings', 'agents', 'access', 'refusals', 'system']
