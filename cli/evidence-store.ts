import type { GatewayConfig } from '../engine/config/index.ts'
import { directoryStore, postgresStore, type EvidenceStore } from '../engine/evidence/index.ts'

/** Where a configuration keeps evidence. Whoever asks closes it. */
export function evidenceStoreOf({ evidence }: Pick<GatewayConfig, 'evidence'>): EvidenceStore {
  return evidence.postgres === null ? directoryStore(evidence.directory) : postgresStore(evidence.postgres)
}
