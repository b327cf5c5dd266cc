import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBundle, UNHURRIED } from '../engine/policy/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { readCases, runCase } from './policy-cases.ts'
import type { CaseResult } from './policy-cases.ts'
import { compile, findingsOf, findingsText, json, PACK_OPTIONS, withCompiler } from './policy-compiler.ts'
import type { Compiled } from './policy-compiler.ts'
import { plural } from './printable.ts'

const USAGE = `usage: countersign policy test [--pack FILE] [--cases DIR] [--threshold PERCENT] [--junit FILE] [--json]

Runs the pack's Rego unit tests with coverage; and every case of a directory (plane, input, result, and perhaps what its
record has to say) through the compiled module, which is what the gateway runs.

  --threshold PERCENT  least coverage of lines (default 100)
  --junit FILE         also writes a JUnit report

exit: 0 all passed and enough is covered, 1 not
`

interface UnitReport {
  readonly ok: boolean
  readonly passed: number
  readonly failed: readonly {
    readonly file: string
    readonly line: number
    readonly name: string
    readonly message: string
  }[]
  readonly coverage: {
    readonly percent: number
    readonly threshold: number
    readonly uncovered: Readonly<Record<string, readonly [number, number][]>>
  }
}

/** `countersign policy test`. */
export async function testCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    ...PACK_OPTIONS,
    cases: { type: 'string' },
    threshold: { type: 'string', default: '100' },
    junit: { type: 'string' },
  } as const
  const { values, positionals } = commandLine(USAGE, options, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  if (positionals.length > 0) throw wrongUsage('test takes no argument', USAGE)
  const { pack, cases: directory } = values
  return withCompiler(io, async () => {
    const { report } = await compile(['test', '--pack', pack, '--threshold', values.threshold])
    if (!isUnitReport(report)) return uncompiled(report, values.json, io)
    const cases = directory === undefined ? [] : await casesOf(pack, directory)
    const failedCases = cases.filter(({ passed }) => !passed)
    const ok = report.ok && failedCases.length === 0 && (directory === undefined || cases.length > 0)
    if (values.junit !== undefined) await writeFile(values.junit, junit(report, cases))
    io.stdout.write(values.json ? json({ ...report, ok, cases }) : text(report, cases))
    return ok ? EXIT.ok : EXIT.failed
  })
}

function isUnitReport(report: unknown): report is UnitReport {
  return typeof report === 'object' && report !== null && 'passed' in report && 'coverage' in report
}

/** The tests did not even compile. */
function uncompiled(report: Compiled['report'], asJson: boolean, io: CommandIo): number {
  io.stdout.write(asJson ? json(report) : findingsText(findingsOf(report)))
  return EXIT.failed
}

async function casesOf(pack: string, directory: string): Promise<readonly CaseResult[]> {
  const cases = await readCases(directory)
  return withBundle(pack, async (bundle) => {
    const policy = await openBundle(bundle, { kind: 'unsigned' }, UNHURRIED)
    return cases.map((each) => runCase(policy, each))
  })
}

/** The pack as a bundle, gone again afterwards. */
export async function withBundle<Result>(pack: string, use: (bundle: string) => Promise<Result>): Promise<Result> {
  const home = await mkdtemp(join(tmpdir(), 'countersign-policy-'))
  try {
    const bundle = join(home, 'bundle.tar.gz')
    const { clean, report } = await compile(['build', '--pack', pack, '--out', bundle])
    if (!clean) throw wrongUsage(findingsText(findingsOf(report)), 'the pack does not build')
    return await use(bundle)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

function text({ passed, failed, coverage }: UnitReport, cases: readonly CaseResult[]): string {
  const lines = [
    ...failed.map(({ file, line, name, message }) => `${file}:${line}: ${name}: ${message}`),
    ...Object.entries(coverage.uncovered).flatMap(([file, spans]) =>
      spans.map(
        ([from, to]) => `${file}:${from}: no test reaches ${from === to ? `line ${from}` : `lines ${from} to ${to}`}`,
      ),
    ),
    ...cases.filter((each) => !each.passed).map(({ name, message }) => `${name}: ${message}`),
    `unit tests: ${passed} passed, ${failed.length} failed; ${coverage.percent} % of lines covered (least ${coverage.threshold} %)`,
    `${plural(cases.length, 'case')} through the compiled module: ${cases.filter((each) => each.passed).length} passed`,
  ]
  return `${lines.join('\n')}\n`
}

function junit(report: UnitReport, cases: readonly CaseResult[]): string {
  const failures = report.failed.map(({ name, file, line, message }) => failure(name, `${file}:${line}`, message))
  const passes = Array.from(
    { length: report.passed },
    (_pass, at) => `    <testcase classname="rego" name="passed ${at + 1}"/>`,
  )
  const caseLines = cases.map(({ name, passed, message }) =>
    passed ? `    <testcase classname="case" name="${escaped(name)}"/>` : failure(name, 'case', message),
  )
  const covered =
    report.ok || report.failed.length > 0 ? [] : [failure('coverage', 'rego', `${report.coverage.percent} % of lines`)]
  const all = [...failures, ...passes, ...caseLines, ...covered]
  const failing = report.failed.length + covered.length + cases.filter(({ passed }) => !passed).length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="countersign policy test" tests="${all.length}" failures="${failing}">`,
    ...all,
    '  </testsuite>',
    '</testsuites>\n',
  ].join('\n')
}

function failure(name: string, classname: string, message: string): string {
  return `    <testcase classname="${escaped(classname)}" name="${escaped(name)}"><failure message="${escaped(message)}"/></testcase>`
}

function escaped(value: string): string {
  return value.replaceAll(/\p{Cc}/gu, ' ').replaceAll(/[<>&"]/g, (char) => `&#${char.codePointAt(0)};`)
}
