/** `npm run conformance`: OPA's own test cases on the gateway's host, by builtin. Exit 1 for a single wrong answer. */
import { parseArgs } from 'node:util'
import { judge } from './judge.ts'
import type { Judgement } from './judge.ts'
import { opaCases } from './opa-cases.ts'

const { values } = parseArgs({
  options: { every: { type: 'string', default: '1' }, verbose: { type: 'boolean', default: false } },
})

type Counts = Record<Judgement['kind'], number>
const none = (): Counts => ({ passed: 0, refused: 0, wrong: 0 })
const total = none()
const byBuiltin = new Map<string, Counts>()
const refusals = new Map<string, number>()

for await (const test of opaCases(Number(values.every))) {
  const judgement = await judge(test)
  total[judgement.kind] += 1
  for (const name of test.builtins.length === 0 ? ['(the language)'] : test.builtins) {
    const counts = byBuiltin.get(name) ?? none()
    counts[judgement.kind] += 1
    byBuiltin.set(name, counts)
  }
  if (judgement.kind === 'refused') refusals.set(judgement.why, (refusals.get(judgement.why) ?? 0) + 1)
  if (judgement.kind === 'wrong' || (values.verbose && judgement.kind === 'refused')) {
    console.log(`${judgement.kind.toUpperCase()} ${test.file}: ${test.note}\n  ${judgement.why}`)
  }
}

const cases = total.passed + total.refused + total.wrong
const percent = (part: number): string => `${((100 * part) / cases).toFixed(1)} %`
console.log(`\n${'builtin'.padEnd(46)} passed refused wrong`)
for (const [name, { passed, refused, wrong }] of [...byBuiltin].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
  console.log(
    `${name.padEnd(46)} ${String(passed).padStart(6)} ${String(refused).padStart(7)} ${String(wrong).padStart(5)}`,
  )
}
console.log('\nRefused, because of:')
for (const [why, count] of [...refusals].toSorted(([, one], [, other]) => other - one))
  console.log(`${String(count).padStart(5)}  ${why}`)
console.log(
  `\n${cases} cases: ${total.passed} passed (${percent(total.passed)}), ${total.refused} refused (${percent(total.refused)}), ${total.wrong} wrong`,
)
process.exitCode = total.wrong === 0 ? 0 : 1
