import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bootstrap } from '../../../planes/http/envoy/bootstrap.ts'
import { ControlServer } from '../../../planes/http/envoy/control-server.ts'
import type { EnvoySettings } from '../../../planes/http/envoy/settings.ts'
import { envoySnapshot } from '../../../planes/http/envoy/xds/resources.ts'
import { XdsServer } from '../../../planes/http/envoy/xds/server.ts'
import type { Snapshot } from '../../../planes/http/envoy/xds/snapshot.ts'
import { EnvoyProcess, findEnvoy } from '../../support/envoy.ts'
import { freePort } from '../../support/free-port.ts'
import { startHttpStack } from '../../support/http-stack.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

function isOther([name]: readonly [string, unknown]): boolean {
  return name !== 'countersign_processor'
}

/** As no snapshot of ours could be: they are checked. */
function withoutProcessor(whole: Snapshot): Snapshot {
  const { cluster, endpoints, ...rest } = whole.resources
  const resources = {
    ...rest,
    cluster: new Map([...cluster].filter(isOther)),
    endpoints: new Map([...endpoints].filter(isOther)),
  }
  return { version: `${whole.version}-without`, resources }
}

test.skipIf(findEnvoy() === null)(
  'an Envoy whose processor’s cluster is taken away lets nothing through, and goes on when it is back',
  async () => {
    const stack = await startHttpStack({ maskFields: ['ssn'], envoy: {} })
    using directory = temporaryDirectory()
    const { hostname, port: upstreamPort } = new URL(stack.line.upstream.url)
    const processor = { kind: 'tcp', ...(stack.line.envoy?.processor ?? { host: '', port: 0 }) } as const
    const listen = { host: '127.0.0.1', port: await freePort() }
    const settings: EnvoySettings = {
      listen,
      tls: null,
      upstreams: [
        {
          name: 'bank',
          hosts: 'any',
          host: hostname,
          port: Number(upstreamPort),
          tls: null,
          authority: 'bank.example',
        },
      ],
      processors: [processor],
      processorTls: null,
      responses: 'buffered',
      bodyBytes: 1 << 20,
      messageMs: 5000,
      upstreamMs: 5000,
      limits: { headerKiB: 32, headers: 128, idleMs: 60_000, headersMs: 5000 },
    }
    const whole = envoySnapshot(settings)
    const xds = new XdsServer(whole, { heard: () => undefined })
    const control = await ControlServer.open({ kind: 'tcp', host: '127.0.0.1', port: 0 }, null, [xds.service], 0)
    const admin = { host: '127.0.0.1', port: await freePort() }
    const file = join(directory.path, 'envoy.json')
    await writeFile(file, JSON.stringify(bootstrap({ node: 'x', control: control.address, controlTls: null, admin })))
    const envoy = await EnvoyProcess.start({ bootstrap: file, admin })
    try {
      const headers = { authorization: `Bearer ${stack.line.principals.agent.token}`, connection: 'close' }
      const ask = async (): Promise<readonly [number, string]> => {
        const answer = await fetch(`http://${listen.host}:${listen.port}/customers/1`, { headers })
        return [answer.status, await answer.text()]
      }
      await expect.poll(ask).toEqual([200, expect.stringContaining('[redacted]')])
      xds.publish(withoutProcessor(whole))
      const clusters = async (): Promise<number> =>
        (await envoy.stats('cluster_manager.active_clusters'))['cluster_manager.active_clusters'] ?? 0
      await expect.poll(clusters).toBe(2) // the control plane's, and the upstream's
      const before = stack.bank?.seen.length
      for (let each = 0; each < 5; each += 1) {
        const [status, text] = await ask()
        expect(status).toBe(502)
        expect(text).not.toContain('900-11-1111')
      }
      expect(stack.bank?.seen.length).toBe(before)
      xds.publish(whole)
      await expect.poll(ask).toEqual([200, expect.stringContaining('[redacted]')])
    } finally {
      await envoy.stop()
      control.close()
      await stack.stop()
    }
  },
)
