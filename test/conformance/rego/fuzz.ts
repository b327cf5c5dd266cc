/** `npm run fuzz:policy`: the compiled module against OPA's interpreter, over random requests. Exit 1 for one difference. */
import { parseArgs } from 'node:util'
import { chooseSeed } from '../../support/seeded-random.ts'
import { differential } from './differential.ts'

const { values } = parseArgs({ options: { requests: { type: 'string', default: '100000' } } })
const seed = chooseSeed()
const start = performance.now()
const outcomes = await differential(Number(values.requests), seed)
for (const { plane, requests, verdicts, rules, differences } of outcomes) {
  for (const { input, module, interpreter } of differences.slice(0, 10)) {
    console.log(
      `DIFFERENT\n  request     ${input}\n  module      ${JSON.stringify(module)}\n  interpreter ${JSON.stringify(interpreter)}`,
    )
  }
  console.log(
    `${plane}: ${requests} requests, ${differences.length} different; ${rules} rules fired; ${JSON.stringify(verdicts)}`,
  )
}
const asked = outcomes.reduce((sum, { requests }) => sum + requests, 0)
console.log(`${asked} requests (seed ${seed}) in ${((performance.now() - start) / 1000).toFixed(0)} s`)
process.exitCode = asked >= Number(values.requests) && outcomes.every((each) => each.differences.length === 0) ? 0 : 1
