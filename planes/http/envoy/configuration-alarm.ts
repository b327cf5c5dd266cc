import type { PlaneHost } from '../../../engine/index.ts'
import type { Heard } from './xds/server.ts'

/** Refusals that are remembered, so that an Envoy which asks again and again is one alarm. */
const REMEMBERED = 1000
/** As `countersign envoy bootstrap` names one; any other text is not for evidence. */
const NODE = /^[\w.-]{1,63}$/

/**
 * What Envoys say of their configuration: to the log, and a refusal to evidence too, since that Envoy then enforces an older
 * one. Envoy's words for why stay in the log.
 */
export function configurationAlarm(
  host: Pick<PlaneHost, 'alert' | 'log'>,
  failed: (error: unknown) => void,
): (heard: Heard) => void {
  const told = new Set<string>()
  return (heard) => {
    const { node, of, version } = heard
    if (heard.kind === 'taken') return host.log('envoy.configured', { node, of, version })
    host.log('envoy.configuration_refused', { node, of, version, names: heard.names, reason: heard.reason })
    const key = JSON.stringify([node, of, version])
    if (told.has(key)) return
    if (told.size >= REMEMBERED) told.clear()
    told.add(key)
    const envoy = NODE.test(node) ? node : null
    host.alert({ finding: 'configuration_refused', envoy, kind: of, names: heard.names, version }).catch(failed)
  }
}
