import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { CountersignError, type PlaneHost, type RunningPlane } from '../../../engine/index.ts'
import type { HttpConfig } from '../config.ts'
import { Exchange } from '../exchange.ts'
import { Callers } from '../session/callers.ts'
import { type Finding, Reconciler } from './access-log/reconciler.ts'
import { accessLogService } from './access-log/server.ts'
import type { EnvoyConfig } from './config.ts'
import { configurationAlarm } from './configuration-alarm.ts'
import { ControlServer } from './control-server.ts'
import { processorService } from './ext-proc/server.ts'
import { envoySettings } from './settings-of.ts'
import { envoySnapshot } from './xds/resources.ts'
import { XdsServer } from './xds/server.ts'

/** Certificates for APIs are looked at again this often: Envoy gets new ones without a restart. */
const REFRESH_MS = 30_000
/** Looked for exchanges that Envoy never told of this often. */
const OVERDUE_MS = 10_000

/** Envoy takes the connections; the gateway tells it how, and judges each exchange. */
export async function openEnvoyForm(config: HttpConfig, envoy: EnvoyConfig, host: PlaneHost): Promise<RunningPlane> {
  const { limits, apis, patienceMs, listen } = config
  const callers = new Callers(host, limits.idleMs, Date.now)
  const exchange = new Exchange({ host, callers, apis, patienceMs, maskedBytes: limits.maskedBytes, now: Date.now })
  const failed = (error: unknown): void =>
    host.log('http.request_failed', { code: error instanceof CountersignError ? error.code : 'unexpected' })
  const heard = configurationAlarm(host, failed)
  const xds = new XdsServer(envoySnapshot(envoySettings(config, envoy, [])), { heard })
  const by = randomUUID()
  const reconciler = new Reconciler(by)
  const found = (finding: Finding | null): void => {
    if (finding === null) return
    host.log('envoy.access_log_finding', { ...finding })
    host.alert({ finding: finding.kind, decision: finding.decision }).catch(failed)
  }
  const processor = processorService({
    exchange,
    manner: {
      streams: envoy.responses === 'streamed',
      judgedBytes: limits.judgedBytes,
      by,
      allowed: (decision) => reconciler.allowed(decision),
      ended: (decision) => reconciler.ended(decision, Date.now()),
    },
    failed,
  })
  const accessLog = accessLogService((entry) => found(reconciler.take(entry)), failed)
  const overdue = setInterval(() => reconciler.overdue(Date.now()).forEach(found), OVERDUE_MS).unref()
  const services = [xds.service, processor.service, accessLog]
  const mostBytes = Math.max(limits.judgedBytes, limits.maskedBytes)
  const server = await ControlServer.open(envoy.control, envoy.controlTls, services, mostBytes)
  const refresh = (): void => {
    try {
      const next = envoySnapshot(envoySettings(config, envoy, envoy.processors ?? [server.address]))
      if (next.version !== xds.snapshot.version) xds.publish(next)
    } catch (error) {
      failed(error) // a certificate that is being replaced, or can't be read: what is served stays
    }
  }
  refresh()
  const refreshing = setInterval(refresh, REFRESH_MS).unref()
  let closed = false
  return {
    address: listen,
    drain: async (deadlineMs) => {
      server.drain(deadlineMs)
      const deadline = Date.now() + deadlineMs
      while (processor.running() > 0 && Date.now() < deadline) await sleep(20)
    },
    close: async () => {
      if (closed) return
      closed = true
      clearInterval(overdue)
      clearInterval(refreshing)
      server.close()
      await callers.close('gateway stopped')
    },
  }
}
