import type { GatewayConfig, LoadedConfig } from '../engine/config/index.ts'
import {
  directoryStore,
  postgresStore,
  sourceOf,
  type EvidenceSource,
  type EvidenceStore,
} from '../engine/evidence/index.ts'

/** Where a configuration keeps evidence. Whoever asks closes it. */
export function evidenceStoreOf({ evidence }: Pick<GatewayConfig, 'evidence'>): EvidenceStore {
  return evidence.postgres === null ? directoryStore(evidence.directory) : postgresStore(evidence.postgres)
}

/** Reads a directory that is named, or else what the configuration's own gateway has written, wherever that is. */
export async function readEvidence<T>(
  directory: string | undefined,
  loaded: LoadedConfig | null,
  work: (evidence: EvidenceSource) => Promise<T>,
): Promise<T> {
  if (directory !== undefined || loaded === null) return work(sourceOf(directory ?? ''))
  const store = evidenceStoreOf(loaded.config)
  try {
    return await work(store.source)
  } finally {
    await store.close()
  }
}
