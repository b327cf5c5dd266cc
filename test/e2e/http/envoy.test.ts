import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findEnvoy } from '../../support/envoy.ts'
import { FaultBench } from '../../support/envoy-fault-run.ts'
import { FAULTS, PARTS } from '../../support/envoy-faults.ts'
import { followChanges } from '../../support/xds-changes.ts'
import { envoyFollower } from '../../support/xds-followers.ts'

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
