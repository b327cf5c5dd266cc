import type { LoadedConfig } from '../engine/config/index.ts'
import { PolicyError, readLabels } from '../engine/index.ts'
import { openArchive, readArchive, type ActivePolicy } from '../engine/policy/index.ts'
import { controlPack } from './control-pack.ts'

/** Opens a bundle's file as this gateway takes one. Throws PolicyError; ConfigError for a control that the pack hasn't. */
export type Admit = (archive: Uint8Array) => Promise<ActivePolicy>

/** What a policy must have to come into force here: the configured signature, its self-test, every plane, known controls. */
export function policyAdmission(loaded: LoadedConfig, planes: readonly { readonly id: string }[]): Admit {
  const { trust, limits } = loaded.config.policy
  return async (archive) => {
    const policy = await openArchive(archive, trust, limits)
    requireEntrypoints(policy, planes)
    readLabels(policy.data)
    await controlPack(loaded, policy)
    return policy
  }
}

/** The bundle that the configuration names. */
export async function configuredBundle(
  { config }: LoadedConfig,
  admit: Admit,
): Promise<{ readonly archive: Uint8Array; readonly policy: ActivePolicy }> {
  const archive = await readArchive(config.policy.bundle)
  return { archive, policy: await admit(archive) }
}

/** A plane without one would refuse everything, one request at a time: better said at once. */
export function requireEntrypoints({ entrypoints }: ActivePolicy, planes: readonly { readonly id: string }[]): void {
  const missing = planes.map(({ id }) => `countersign/${id}/verdict`).filter((name) => !entrypoints.includes(name))
  if (missing.length === 0) return
  const message = `the policy has no entrypoint ${missing.join(', ')} for a configured plane; build the bundle with it`
  throw new PolicyError('ERR_POLICY_ENTRYPOINT', message)
}
