import { expect, test } from 'vitest'
import { differential } from '../../conformance/rego/differential.ts'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'

test('random requests get the same answer from the compiled module and from OPA’s interpreter; `npm run fuzz:policy` asks 100,000', async (context) => {
  await regocBinary().catch((error: unknown) => {
    if (error instanceof GoMissingError && process.env.CI !== 'true') return context.skip(error.message)
    throw error
  })
  const outcomes = await differential(800, 20261125)
  expect(outcomes.map(({ plane }) => plane).toSorted()).toEqual(['grants', 'http', 'postgres', 'sqs'])
  for (const { plane, requests, verdicts, rules, differences } of outcomes) {
    expect({ plane, differences }).toEqual({ plane, differences: [] })
    expect(requests).toBe(200)
    expect(rules).toBeGreaterThan(2)
    const wanted = plane === 'grants' ? ['hold', 'reject'] : ['forward', 'hold', 'mask', 'reject']
    expect(Object.keys(verdicts).toSorted()).toEqual(expect.arrayContaining(wanted))
  }
})
