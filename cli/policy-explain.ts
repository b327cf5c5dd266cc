import { readFile } from 'node:fs/promises'
import { readRecords } from '../engine/evidence/index.ts'
import type { JsonValue } from '../engine/index.ts'
import { isObject } from '../engine/policy/index.ts'
import { rebuiltInput } from '../engine/rehearsal/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT, UsageError } from './exit.ts'
import { compile, findingsOf, findingsText, json, PACK_OPTIONS, withCompiler } from './policy-compiler.ts'
import { explanation, type Asked } from './policy-explanation.ts'

const USAGE = `usage: countersign policy explain --decision ID --evidence DIR [--pack FILE] [--json]
       countersign policy explain REQUEST.json --plane ID [--pack FILE] [--json]

Why a recorded decision, or a request, was answered as it was: the rules that decided, and of those that would have let it
through the expression that each stops at, with file, line and what the request has there. The pack is asked as it lies there: check out the commit that was in force to ask that one.

  --decision ID   the id that the denial named
  --evidence DIR  a directory of evidence, or a copy; nothing is written
  --plane ID      whose entrypoint answers a request
  --all           every other rule too, and where it stops
`

/** `countersign policy explain`. */
export async function explainCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = {
    ...PACK_OPTIONS,
    decision: { type: 'string' },
    evidence: { type: 'string' },
    plane: { type: 'string' },
    all: { type: 'boolean', default: false },
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
    io.stdout.write(values.json ? json(report) : explanation(asked, report, values.all))
    return EXIT.ok
  })
}

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
