import {
  coverage,
  loadControlPack,
  rulesOf,
  selfTestsOf,
  SHIPPED_CONTROLS,
  testsIn,
  type ControlPack,
  type CoverageRow,
  type TestsByRule,
} from '../engine/controls/index.ts'
import { readRecords } from '../engine/evidence/index.ts'
import type { JsonObject } from '../engine/index.ts'
import { openBundle, UNHURRIED } from '../engine/policy/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { timeOption } from './period.ts'
import { plural, printable, wrapped } from './printable.ts'

const USAGE = `usage: countersign controls coverage [--policy BUNDLE] [--tests DIR]… [--evidence DIR] [--from T] [--to T] [--json]

Control by control: the rules that name it, the tests that expect those rules, and the records seen in a period that
speak to it. Controls without evidence come first. Says what the records evidence or support, and no more than that.

  --policy BUNDLE  whose rules; their signature is not checked, so use the file that the gateway runs
  --tests DIR      cases (*.json) and Rego's own tests (*_test.rego), beside the self-tests in the bundle
  --evidence DIR   a directory of evidence, or a copy; nothing is written
  --from, --to     records from a time on, and before one: 2026-11-25 or 2026-11-25T18:00:00Z
  --controls DIR   another pack than the one that comes with the gateway
  --json           as JSON
`

const OPTIONS = {
  policy: { type: 'string' },
  tests: { type: 'string', multiple: true, default: [] },
  evidence: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  controls: { type: 'string', default: SHIPPED_CONTROLS },
  json: { type: 'boolean', default: false },
} as const

/** `countersign controls coverage`. */
export async function coverageCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(USAGE, { ...OPTIONS, tests: { type: 'string', multiple: true } }, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  if (positionals.length > 0) throw wrongUsage('coverage takes no argument', USAGE)
  const period = { from: timeOption('--from', values.from, USAGE), to: timeOption('--to', values.to, USAGE) }
  const pack = await loadControlPack(values.controls ?? SHIPPED_CONTROLS)
  const metadata = await metadataOf(values.policy)
  const tests = await gathered(metadata, values.tests ?? [])
  const records = values.evidence === undefined ? null : readRecords(values.evidence)
  const rows = await coverage(pack, { rules: rulesOf(metadata), tests, records, ...period })
  io.stdout.write(values.json ? coverageJson(pack, period, rows) : coverageText(pack, period, rows))
  return EXIT.ok
}

async function metadataOf(bundle: string | undefined): Promise<JsonObject> {
  return bundle === undefined ? {} : (await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED)).metadata
}

async function gathered(metadata: JsonObject, directories: readonly string[]): Promise<TestsByRule> {
  const all = new Map<string, Set<string>>()
  for (const tests of [selfTestsOf(metadata), ...(await Promise.all(directories.map(testsIn)))]) {
    for (const [rule, names] of tests) all.set(rule, new Set([...(all.get(rule) ?? []), ...names]))
  }
  return all
}

interface Period {
  readonly from: string | null
  readonly to: string | null
}

function coverageJson({ version, digest }: ControlPack, period: Period, rows: readonly CoverageRow[]): string {
  const controls = rows.map(({ control, ...row }) => ({
    id: control.id,
    framework: control.framework,
    title: control.title,
    strength: control.strength,
    certainty: control.certainty,
    identifiers: control.identifiers,
    not_shown: control.notShown,
    ...row,
  }))
  return `${JSON.stringify({ pack: { version, digest }, period, controls }, null, 2)}\n`
}

const ORDER: readonly CoverageRow['standing'][] = [
  'none in the period',
  'not recorded yet',
  'evidenced',
  'not looked for',
]
const HEADINGS: Readonly<Record<CoverageRow['standing'], string>> = {
  'none in the period': 'NO EVIDENCE in the period, though rules or events for it exist',
  'not recorded yet': 'NO EVIDENCE possible yet: no rule names it, and no event that this version records tells of it',
  evidenced: 'Evidenced or supported by records of the period',
  'not looked for': 'Evidence was not looked for (--evidence)',
}

function coverageText({ version, digest }: ControlPack, { from, to }: Period, rows: readonly CoverageRow[]): string {
  const groups = ORDER.map((standing) => ({ standing, rows: rows.filter((row) => row.standing === standing) }))
  const period = `${from ?? 'the first record'} to ${to === null ? 'the last' : `before ${to}`}`
  const counts = groups
    .filter((group) => group.rows.length > 0)
    .map((group) => `${group.rows.length} ${group.standing}`)
  const parts = groups
    .filter((group) => group.rows.length > 0)
    .map((group) => `${HEADINGS[group.standing]}\n\n${group.rows.map(rowText).join('\n')}`)
  return `Control pack ${version}, digest ${digest}\nPeriod: ${period}\n${rows.length} controls: ${counts.join(', ')}\n\n${parts.join('\n\n')}`
}

const VERBS = { direct: 'evidences', partial: 'evidences in part', supporting: 'supports' } as const

function rowText({ control, rules, records, decisions, namedByRules, missingEvents, standing }: CoverageRow): string {
  const tested = rules.map(({ id, tests }) => `${id} (${tests === 0 ? 'NO TEST' : plural(tests, 'test')})`)
  const seen = `${plural(records, 'record')}, ${plural(decisions, 'decision')}, ${namedByRules} because a rule names it`
  const label = control.identifiers === 'ours' ? ', a label of ours' : ''
  const facts: readonly (readonly [string, string])[] = [
    ['rules', tested.join(', ') || 'none names it'],
    ...(standing === 'not looked for' ? [] : [[VERBS[control.strength], seen] as const]),
    ...(missingEvents.length === 0 ? [] : [['not recorded', missingEvents.join(', ')] as const]),
    ['not shown', control.notShown ?? 'nothing is claimed'],
  ]
  const lines = facts.map(([name, text]) => `    ${name.padEnd(17)}  ${wrapped(text, ' '.repeat(23))}\n`)
  return `  ${control.id}  ${printable(control.title)}  [${control.strength}, ${control.certainty}${label}]\n${lines.join('')}`
}
