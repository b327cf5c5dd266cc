import { ConfigError, nearest } from '../engine/index.ts'
import type { Enforceable, Plane, PlaneHost, RunningPlane } from '../engine/index.ts'
import { atLine } from '../engine/config/index.ts'
import type { LoadedConfig } from '../engine/config/index.ts'

/** A plane whose section of the configuration was checked. */
export interface ConfiguredPlane {
  readonly id: string
  readonly enforces: Enforceable
  open(host: PlaneHost): Promise<RunningPlane>
  /** Tries what is behind the plane; resolves with what to tell about it. Throws UpstreamError. */
  reach(): Promise<string>
}

type Configure = (section: unknown) => Promise<ConfiguredPlane>

/** The planes of this build; one that isn't configured isn't loaded. */
const PLANES: Readonly<Record<string, Configure>> = {
  postgres: async (section) => {
    const { postgres, reachUpstream } = await import('../planes/postgres/index.ts')
    return configure(postgres, section, reachUpstream)
  },
  sqs: async (section) => {
    const { sqs, reachUpstream } = await import('../planes/sqs/index.ts')
    return configure(sqs, section, reachUpstream)
  },
  http: async (section) => {
    const { http, reachUpstream } = await import('../planes/http/index.ts')
    return configure(http, section, reachUpstream)
  },
}

function configure<C>(plane: Plane<C>, section: unknown, reach: (config: C) => Promise<string>): ConfiguredPlane {
  const { id } = plane
  const config = plane.configure(section)
  const enforces = plane.enforces(config)
  return { id, enforces, open: (host) => plane.open(config, host), reach: () => reach(config) }
}

/** Every plane that the configuration names. Opens nothing; throws ConfigError with the line of what is wrong. */
export async function configurePlanes(loaded: LoadedConfig): Promise<readonly ConfiguredPlane[]> {
  const configured: ConfiguredPlane[] = []
  for (const [id, section] of Object.entries(loaded.config.planes)) {
    try {
      configured.push(await known(id)(section))
    } catch (error) {
      throw error instanceof ConfigError ? atLine(error, loaded, `planes.${id}`) : error
    }
  }
  return configured
}

function known(id: string): Configure {
  const configure = Object.hasOwn(PLANES, id) ? PLANES[id] : undefined
  if (configure !== undefined) return configure
  const names = Object.keys(PLANES)
  const meant = nearest(id, names)
  const hint = meant === undefined ? `known: ${names.join(', ')}` : `did you mean ${meant}?`
  throw new ConfigError('ERR_CONFIG_PLANE', `planes.${id}: there is no such plane; ${hint}`)
}
