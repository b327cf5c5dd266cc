import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../engine/index.ts'
import { encode } from '../../../planes/http/envoy/protos.ts'
import { findEnvoy } from '../../support/envoy.ts'
import { FaultBench } from '../../support/envoy-fault-run.ts'
import { FAULTS, PARTS } from '../../support/envoy-faults.ts'
import { followChanges } from '../../support/xds-changes.ts'
import { envoyFollower } from '../../support/xds-followers.ts'

/** As an Envoy would that let something through by itself. */
function sendAccessLog(address: string, message: JsonObject): Promise<void> {
  const client = new Client(address, credentials.createInsecure())
  const bytes = encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', message)
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
      (each: Buffer) => each,
      (each: Buffer) => each,
      (error) => {
        client.close()
        if (error === null) resolve()
        else reject(error)
      },
    )
    call.write(bytes)
    call.end()
  })
}

const hasEnvoy = findEnvoy() !== null

/** Those that a real Envoy takes for leave to go on; all of them, in all modes: npm run faults:envoy. */
const DANGEROUS = [
  'clean close before its answer',
  'clean close after its answer',
  'trailers only, status 0',
  'phase skipped (bare CONTINUE)',
  'asks to skip what follows',
]
const dangerous = FAULTS.filter(({ name }) => DANGEROUS.includes(name))

describe.skipIf(!hasEnvoy)('a real Envoy whose processor goes wrong', () => {
  let bench: FaultBench

  beforeAll(async () => {
    bench = await FaultBench.open('buffered', false)
  })
  afterAll(() => bench.close())

  test.each(PARTS.flatMap((part) => dangerous.map((fault) => ({ part, name: fault.name, fault }))))(
    '$part, $name: nothing masked is seen, and nothing undecided goes up',
    async ({ part, fault }) => {
      const { canary, forbidden } = await bench.run(part, fault)
      expect({ canary, forbidden }).toEqual({ canary: false, forbidden: 0 })
    },
  )

  test('with no processor at all neither', async () => {
    const { canary, forbidden, got } = await bench.runDown()
    expect({ canary, forbidden, got }).toEqual({ canary: false, forbidden: 0, got: '502' })
  })

  test('its access log is held against the decisions: an exchange of which nothing was decided is an alarm', async () => {
    const written = async (): Promise<number> =>
      Object.values((await bench.stack.envoy?.stats('grpc_access_log.logs_written')) ?? {}).reduce(
        (sum, each) => sum + each,
        0,
      )
    await expect.poll(written).toBeGreaterThan(0)
    expect(bench.stack.gateway.log).not.toContain('envoy.access_log_finding')
    const { host, port } = bench.stack.line.envoy?.processor ?? { host: '', port: 0 }
    await sendAccessLog(`${host}:${port}`, {
      http_logs: {
        log_entry: [
          {
            common_properties: { upstream_remote_address: { pipe: { path: '/x' } } },
            response: { response_code: { value: 200 } },
          },
        ],
      },
    })
    await expect.poll(() => bench.stack.gateway.log).toContain('"kind":"undecided"')
    const records = readdirSync(join(bench.stack.evidence, 'records')).filter((name) => name.endsWith('.ndjson'))
    const text = (): string =>
      records.map((name) => readFileSync(join(bench.stack.evidence, 'records', name), 'utf8')).join('')
    await expect.poll(text).toContain('"event":"anomaly.alert"')
  })

  test('its configuration was taken, and that is in the log', () => {
    expect(bench.stack.gateway.log).toContain('"event":"envoy.configured"')
    expect(bench.stack.gateway.log).not.toContain('"event":"envoy.configuration_refused"')
  })
})

test.skipIf(!hasEnvoy)(
  'a real Envoy follows changes under traffic, keeps what it had when it refuses one, and goes on after a restart',
  async () => {
    const { dropped, refusals, takenAgain } = await followChanges(await envoyFollower(), 6)
    expect({ dropped, refusals: refusals.length, takenAgain }).toEqual({ dropped: [], refusals: 1, takenAgain: 0 })
  },
)
