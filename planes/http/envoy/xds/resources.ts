import type { EnvoySettings } from '../settings.ts'
import { clusters } from './clusters.ts'
import { listeners } from './listeners.ts'
import { secrets } from './secrets.ts'
import { snapshotOf, type Snapshot } from './snapshot.ts'

/** All of Envoy's configuration that follows from these settings, checked. Throws ConfigError. */
export function envoySnapshot(settings: EnvoySettings): Snapshot {
  return snapshotOf([...clusters(settings), ...secrets(settings), ...listeners(settings)])
}
