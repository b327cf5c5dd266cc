import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, CountersignError, type PlaneHost, type RunningPlane } from '../../../engine/index.ts'
import type { Api } from '../api.ts'
import type { HttpConfig } from '../config.ts'
import { Exchange } from '../exchange.ts'
import { Callers } from '../session/callers.ts'
import { type Finding, Reconciler } from './access-log/reconciler.ts'
import { accessLogService } from './access-log/server.ts'
import type { EnvoyConfig } from './config.ts'
import { ControlServer } from './control-server.ts'
import { processorService } from './ext-proc/server.ts'
import type { EnvoySettings, Upstream } from './settings.ts'
import { envoySnapshot } from './xds/resources.ts'
import { XdsServer } from './xds/server.ts'

/** Beyond the longest hold, so that a processor that is only waiting is not taken for one that stalls. */
const JUDGING_MS = 5000
/** Looked for exchanges that Envoy never told of this often. */
const OVERDUE_MS = 10_000
const HEADER_KIB = 32
const HEADERS = 128

/** Envoy takes the connections; the gateway tells it how, and judges each exchange. */
export async function openEnvoyForm(config: HttpConfig, envoy: EnvoyConfig, host: PlaneHost): Promise<RunningPlane> {
  const { limits, apis, patienceMs, listen } = config
  const callers = new Callers(host, limits.idleMs, Date.now)
  const exchange = new Exchange({ host, callers, apis, patienceMs, maskedBytes: limits.maskedBytes, now: Date.now })
  const xds = new XdsServer(envoySnapshot(envoySettings(config, envoy, [])), {
    heard: ({ node, kind, of, version, ...more }) =>
      host.log(kind === 'refused' ? 'envoy.configuration_refused' : 'envoy.configured', { node, of, version, ...more }),
  })
  const failed = (error: unknown): void =>
    host.log('http.request_failed', { code: error instanceof CountersignError ? error.code : 'unexpected' })
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
  const server = await ControlServer.open(envoy.control, envoy.controlTls, services, limits.judgedBytes)
  xds.publish(envoySnapshot(envoySettings(config, envoy, envoy.processors ?? [server.address])))
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
      server.close()
      await callers.close('gateway stopped')
    },
  }
}

/** Throws ConfigError for what Envoy can't be made to do here. */
export function envoySettings(
  config: HttpConfig,
  envoy: EnvoyConfig,
  processors: EnvoySettings['processors'],
): EnvoySettings {
  const { listen, tls, plaintextLoopback, apis, limits, patienceMs } = config
  if (listen.port === 0) throw wrong('listen.port: expected a number, since Envoy is who listens there; found 0')
  if (tls === null && !(plaintextLoopback && isLoopback(listen.host)))
    throw wrong('tls: expected a certificate, or plaintext: loopback and a loopback address to listen on')
  return {
    listen,
    tls,
    upstreams: apis.map(upstreamOf),
    processors,
    processorTls: envoy.client,
    responses: envoy.responses,
    bodyBytes: Math.max(limits.judgedBytes, limits.maskedBytes),
    messageMs: patienceMs + JUDGING_MS,
    upstreamMs: limits.answerMs,
    limits: { headerKiB: HEADER_KIB, headers: HEADERS, idleMs: limits.idleMs, headersMs: limits.headMs },
  }
}

function upstreamOf({ name, hosts, origin, ca, certificate, http2 }: Api): Upstream {
  if (certificate !== null) throw wrong(`apis: ${name}: expected no client_certificate, which Envoy isn't given`)
  if (http2) throw wrong(`apis: ${name}: expected http2: false, since trailers come after Envoy's last question`)
  const isTls = origin.protocol === 'https:'
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  return {
    name,
    hosts,
    host,
    port: Number(origin.port === '' ? (isTls ? 443 : 80) : origin.port),
    tls: isTls ? { serverName: host, ca } : null,
    authority: origin.host,
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
