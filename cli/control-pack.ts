import { loadControlPack, requireControls, SHIPPED_CONTROLS } from '../engine/controls/index.ts'
import type { ControlPack } from '../engine/controls/index.ts'
import type { LoadedConfig } from '../engine/config/index.ts'
import type { ActivePolicy } from '../engine/policy/index.ts'

/**
 * The configured pack, or the one that comes with the gateway; it has every control that the policy's rules name. Throws
 * ConfigError ERR_CONFIG_CONTROLS.
 */
export async function controlPack({ config }: LoadedConfig, { metadata }: ActivePolicy): Promise<ControlPack> {
  const pack = await loadControlPack(config.controls.directory ?? SHIPPED_CONTROLS)
  requireControls(pack, metadata)
  return pack
}
