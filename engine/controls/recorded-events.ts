import type { EventName } from '../evidence/index.ts'

/**
 * Events that this version of the gateway and its commands record. A mapping names others too, for what is to come: reports
 * and coverage say of those that they can't be there yet, which is something else than that nothing happened.
 */
export const RECORDED_EVENTS: ReadonlySet<EventName> = new Set<EventName>([
  'identity.verified',
  'identity.rejected',
  'session.opened',
  'session.closed',
  'decision.forward',
  'decision.mask',
  'decision.hold',
  'decision.reject',
  'outcome.ok',
  'outcome.failed',
  'outcome.unknown',
  'approval.requested',
  'approval.granted',
  'approval.denied',
  'approval.expired',
  'approval.answered',
  'approval.withdrawn',
  'approval.used',
  'masking.failed_closed',
  'policy.activated',
  'gateway.released',
  'gateway.failover',
  'writer.opened',
  'writer.recovered',
  'writer.closed',
  'log.checkpoint',
  'log.witnessed',
  'key.rotated',
  'key.compromised',
  'upstream.connected',
  'boundary.verified',
  'retention.applied',
  'legal_hold.set',
  'legal_hold.lifted',
  'evidence.exported',
  'report.generated',
])
