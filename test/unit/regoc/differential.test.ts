import { expect, test } from 'vitest'
import { differential } from '../../conformance/rego/differential.ts'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'

test('random requests get the same answer from the compiled module and from OPA’s interpreter; `npm run fuzz:policy` asks 100,000', async (context) => {
  await regocBinary().catch((error: unknown) => {
    if (error instanceof GoMissingError && process.env.CI !== 'true') return context.skip(error.message)
    throw error
  })
  const { requests, verdicts, differences } = await differential(600, 20261125)
  expect(differences).toEqual([])
  expect(requests).toBe(600)
  expect(Object.keys(verdicts).toSorted()).toEqual(expect.arrayContaining(['forward', 'hold', 'mask', 'reject']))
})
