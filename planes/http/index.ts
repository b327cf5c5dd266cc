import { MASK_METHODS, type Plane } from '../../engine/index.ts'
import { configure, type HttpConfig } from './config.ts'
import { openListener } from './embedded/listener.ts'

/** Any HTTP API: each request decided on method, path, query, headers and body, its answer masked on the way back. */
export const http: Plane<HttpConfig> = {
  id: 'http',
  configure,
  enforces: () => ({ maskMethods: MASK_METHODS, hold: true, limits: false }),
  open: async (config, host) => {
    if (config.envoy === null) return openListener(config, host)
    const { openEnvoyForm } = await import('./envoy/form.ts') // Envoy's protocol is read only where it is spoken
    return openEnvoyForm(config, config.envoy, host)
  },
}
export { reachUpstream } from './probe.ts'
export { harOf, type RecordedExchange } from './audit/har.ts'
export { bootstrapFor, type BootstrapChoice } from './envoy/bootstrap-for.ts'
export { wayAroundApi, waysAtApis } from './ways-around.ts'
