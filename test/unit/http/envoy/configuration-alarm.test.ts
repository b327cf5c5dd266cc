import { join } from 'node:path'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import type { PlaneHost } from '../../../../engine/index.ts'
import { configure } from '../../../../planes/http/config.ts'
import { openEnvoyForm } from '../../../../planes/http/envoy/form.ts'
import { method } from '../../../../planes/http/envoy/protos.ts'
import { typeUrl } from '../../../../planes/http/envoy/xds/snapshot.ts'
import { ScriptedEngine } from '../../../support/scripted-engine.ts'
import { temporaryDirectory } from '../../../support/temporary-directory.ts'

const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService'

test('a configuration that an Envoy refuses is an alarm in evidence, once, and its reason in the log alone', async () => {
  using directory = temporaryDirectory()
  const socket = join(directory.path, 'envoy.sock')
  const config = configure({
    listen: { host: '127.0.0.1', port: 8080 },
    plaintext: 'loopback',
    apis: [{ name: 'bank', hosts: 'any', upstream: { url: 'http://127.0.0.1:1' } }],
    envoy: { control: { socket } },
  })
  const [alerts, logged]: [unknown[], unknown[]] = [[], []]
  const host: PlaneHost = {
    ...new ScriptedEngine(() => Promise.resolve()).host(),
    alert: (finding) => Promise.resolve(void alerts.push(finding)),
    log: (event, fields) => void logged.push([event, fields['reason']]),
  }
  if (config.envoy === null) throw new Error('an Envoy is configured')
  const plane = await openEnvoyForm(config, config.envoy, host)
  const client = new Client(`unix:${socket}`, credentials.createInsecure())
  try {
    for (const node of ['envoy-1', 'envoy-1', 'made up: <a>']) await refuse(client, node)
    const refused = { finding: 'configuration_refused', kind: 'cluster', names: ['api_bank'] }
    expect(alerts).toMatchObject([
      { ...refused, envoy: 'envoy-1' },
      { ...refused, envoy: null },
    ])
    expect(logged).toEqual(['', '', ''].map(() => ['envoy.configuration_refused', 'api_bank: no such thing']))
  } finally {
    client.close()
    await plane.close()
  }
})

/** One stream: takes what comes, and says no to it. Resolves when that was heard. */
async function refuse(client: Client, id: string): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = method(ADS, 'DeltaAggregatedResources')
  const call: ClientDuplexStream<object, unknown> = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
  )
  const type_url = typeUrl('cluster')
  const ended = new Promise((resolve) => call.on('end', resolve))
  call.on('data', (answer: unknown) => {
    const error_detail = { code: 3, message: 'api_bank: no such thing' }
    call.write({ type_url, response_nonce: Reflect.get(Object(answer), 'nonce'), error_detail })
    call.end()
  })
  call.write({ node: { id }, type_url, resource_names_subscribe: [] })
  await ended
}
