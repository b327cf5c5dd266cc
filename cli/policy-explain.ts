import { readFile } from 'node:fs/promises'
import { readRecords } from '../engine/evidence/index.ts'
import type { JsonValue } from '../engine/index.ts'
import { isObject } from '../engine/policy/index.ts'
import { aboutOf, rebuiltInput, type RecordedRequest } from '../engine/rehearsal/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { compile, findingsOf, findingsText, json, PACK_OPTIONS, withCompiler } from './policy-compiler.ts'
import { printable } from './printable.ts'

const USAGE = `usage: countersign policy explain --decision ID --evidence DIR [--pack FILE] [--json]
       countersign policy explain REQUEST.json --plane ID [--pack FILE] [--json]

Which rules fired for a recorded decision, or for a request, and the expression that each other rule did not get past,
with file and line. The pack is asked as it lies there: check out the commit that was in force to ask that one.

  --decision ID   the id that the denial named
  --evidence DIR  a directory of evidence, or a copy; nothing is written
  --plane ID      whose entrypoint answers a request
`

interface Rule {
  readonly id: string
  readonly verdict: string
  readonly title: string
  readonly file: string
  readonly line: number
  readonly fired: boolean
  readonly failed: { readonly file: string; readonly line: number; readonly text: string } | null
}

/** `countersign policy explain`. */
export async function explainCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    ...PACK_OPTIONS,
    decision: { type: 'string' },
    evidence: { type: 'string' },
    plane: { type: 'string' },
  } as const
  const { values, positionals } = commandLine(USAGE, options, argv)
  if (values.help) {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const { decision, evidence, plane } = values
  const [file, ...rest] = positionals
  const recorded = decision !== undefined && evidence !== undefined && file === undefined
  if (rest.length > 0 || (!recorded && (file === undefined || plane === undefined))) {
    throw wrongUsage('explain takes --decision and --evidence, or a request and --plane', USAGE)
  }
  const asked = recorded
    ? await recordedRequest(evidence, decision)
    : { plane: plane ?? '', input: await requestIn(file ?? ''), masked: [] }
  return withCompiler(io, async () => {
    const { clean, report } = await compile(['explain', '--pack', values.pack, '--plane', asked.plane], asked.input)
    if (!clean) {
      io.stdout.write(values.json ? json(report) : findingsText(findingsOf(report)))
      return EXIT.failed
    }
    io.stdout.write(values.json ? json(report) : explained(asked, report))
    return EXIT.ok
  })
}

type Asked = Pick<RecordedRequest, 'plane' | 'input' | 'masked'>

async function recordedRequest(evidence: string, decision: string): Promise<Asked> {
  let why = 'there is no such decision'
  for await (const stored of readRecords(evidence, { mark: decision })) {
    if (stored.record.decision !== decision || !stored.record.event.startsWith('decision.')) continue
    const rebuilt = rebuiltInput(stored)
    if (rebuilt.kind === 'request') return rebuilt
    why = rebuilt.why
  }
  throw new UsageError(`decision ${decision} can't be explained: ${why}`)
}

/** A request as it stands, or a case or self-test vector with one as its `input`. */
async function requestIn(path: string): Promise<string> {
  const value: JsonValue = JSON.parse(await readFile(path, 'utf8'))
  if (!isObject(value)) throw new UsageError(`${path}: expected a request`)
  return JSON.stringify(isObject(value.input) ? value.input : value)
}

function explained({ input, masked }: Asked, report: Readonly<Record<string, unknown>>): string {
  const rules = Array.isArray(report.rules) ? report.rules.filter(isRule) : []
  const result = report.result
  const verdict = typeof result === 'object' && result !== null && 'verdict' in result ? String(result.verdict) : 'none'
  const fired = rules.filter((rule) => rule.fired)
  const others = rules.filter((rule) => !rule.fired)
  return [
    `${printable(aboutOf(input))}\nverdict: ${verdict}\n\n`,
    masked.length === 0
      ? ''
      : `Masked in the record, so a rule that reads it may look otherwise here: ${listed(masked)}\n\n`,
    fired.length === 0 ? 'No rule fired, and what no rule allows is rejected.\n' : 'Because of:\n',
    ...fired.map(
      ({ id, verdict: kind, title, file, line }) => `  ${kind}  ${id} (${file}:${line})\n      ${printable(title)}\n`,
    ),
    others.length === 0 ? '' : '\nDid not fire:\n',
    ...others.map(({ id, verdict: kind, failed }) => `  ${kind}  ${id}\n      ${stopped(failed)}\n`),
  ].join('')
}

function listed(paths: Asked['masked']): string {
  return paths.map((path) => printable(path.join('.'))).join(', ')
}

function stopped(failed: Rule['failed']): string {
  if (failed === null) return 'was never reached'
  return `stops at ${failed.file}:${failed.line}, which is not so for this request:  ${printable(failed.text)}`
}

function isRule(value: unknown): value is Rule {
  return typeof value === 'object' && value !== null && 'id' in value && 'fired' in value && 'failed' in value
}
