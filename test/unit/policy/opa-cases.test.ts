import { expect, test } from 'vitest'
import { GoMissingError, regocBinary } from '../../../tools/regoc.ts'
import { judge } from '../../conformance/rego/judge.ts'
import { opaCases } from '../../conformance/rego/opa-cases.ts'

test('a sample of OPA’s own cases gets no wrong answer from the host; `npm run conformance` runs all of them', async (context) => {
  await regocBinary().catch((error: unknown) => {
    if (error instanceof GoMissingError && process.env.CI !== 'true') return context.skip(error.message)
    throw error
  })
  const counts = { passed: 0, refused: 0, wrong: 0 }
  const wrong: string[] = []
  for await (const each of opaCases(40)) {
    const judgement = await judge(each)
    counts[judgement.kind] += 1
    if (judgement.kind === 'wrong') wrong.push(`${each.note}: ${judgement.why}`)
  }
  expect(wrong).toEqual([])
  expect(counts.passed).toBeGreaterThan(5 * counts.refused)
  expect(counts.passed + counts.refused).toBe(60)
})
