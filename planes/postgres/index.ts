import { MASK_METHODS, type Plane } from '../../engine/index.ts'
import { configure, type PostgresConfig } from './config.ts'
import { openListener } from './listener.ts'

export type { PostgresConfig } from './config.ts'

/** PostgreSQL, protocol 3: SQL sessions decided statement by statement at Execute, with the values that Bind brought. */
export const postgres: Plane<PostgresConfig> = {
  id: 'postgres',
  configure,
  enforces: () => ({ maskMethods: MASK_METHODS, hold: true, limits: true }),
  open: openListener,
}
export { leastGrants } from './grants.ts'
export { roleAtServer, wayAround, type Finding } from './ways-around.ts'
export { reachUpstream } from './probe.ts'
export { auditLog } from './audit/audit-log.ts'
export type { AuditRecord } from './audit/audit-record.ts'
export { reconcile, ReconcileError } from './audit/reconcile.ts'
export type { Around, Reconciliation, ReconcileOptions, Unlogged } from './audit/reconciliation.ts'
