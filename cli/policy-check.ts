import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { EXIT } from './exit.ts'
import { compile, findingsOf, findingsText, json, PACK_OPTIONS, withCompiler } from './policy-compiler.ts'
import { plural } from './printable.ts'

const CHECK_USAGE = `usage: countersign policy check [--pack FILE] [--json]

Types every rule by its plane's request schema; refuses builtins that the gateway does not run, rules without METADATA or
with a control that is not in the pack, rules that can never fire, conflicts, and packages that nobody asks.

  --pack FILE  the pack (default pack.json)
  --json       findings as JSON

exit: 0 nothing found, 1 findings, 64 it could not be done, 69 there is no compiler (Go) here
`

/** `countersign policy check`. */
export async function checkCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(CHECK_USAGE, PACK_OPTIONS, argv)
  if (values.help) return help(io, CHECK_USAGE)
  if (positionals.length > 0) throw wrongUsage('check takes no argument', CHECK_USAGE)
  return withCompiler(io, async () => {
    const { clean, report } = await compile(['check', '--pack', values.pack])
    const found = findingsOf(report)
    const said = clean ? 'nothing to object to\n' : `${findingsText(found)}\n${plural(found.length, 'finding')}\n`
    io.stdout.write(values.json ? json(report) : said)
    return clean ? EXIT.ok : EXIT.failed
  })
}

const FMT_USAGE = `usage: countersign policy fmt [--pack FILE] [--write] [--json]

Lists the pack's Rego files that are not as OPA's formatter writes them; --write rewrites them.

exit: 0 all are, or were rewritten; 1 some are not
`

/** `countersign policy fmt`. */
export async function fmtCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const options = { ...PACK_OPTIONS, write: { type: 'boolean', default: false } } as const
  const { values, positionals } = commandLine(FMT_USAGE, options, argv)
  if (values.help) return help(io, FMT_USAGE)
  if (positionals.length > 0) throw wrongUsage('fmt takes no argument', FMT_USAGE)
  return withCompiler(io, async () => {
    const { clean, report } = await compile(['fmt', '--pack', values.pack, ...(values.write ? ['--write'] : [])])
    const files = filesOf(report)
    const text =
      findingsOf(report).length > 0 ? findingsText(findingsOf(report)) : files.map((file) => `${file}\n`).join('')
    io.stdout.write(values.json ? json(report) : text)
    return clean ? EXIT.ok : EXIT.failed
  })
}

const LINT_USAGE = `usage: countersign policy lint [--pack FILE] [--json]

What a pre-commit hook asks: check, and formatting. Regal's rules are not among it; run Regal beside this if you use it.

exit: 0 nothing found, 1 findings
`

/** `countersign policy lint`. */
export async function lintCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = commandLine(LINT_USAGE, PACK_OPTIONS, argv)
  if (values.help) return help(io, LINT_USAGE)
  if (positionals.length > 0) throw wrongUsage('lint takes no argument', LINT_USAGE)
  return withCompiler(io, async () => {
    const checked = await compile(['check', '--pack', values.pack])
    const formatted = checked.clean ? await compile(['fmt', '--pack', values.pack]) : checked
    const unformatted = filesOf(formatted.report).map((file) => ({
      file,
      line: 1,
      column: 1,
      code: 'format',
      message: 'not as the formatter writes it',
      fix: '`countersign policy fmt --write` rewrites it',
    }))
    const findings = [...findingsOf(checked.report), ...unformatted]
    io.stdout.write(values.json ? json({ ok: findings.length === 0, findings }) : findingsText(findings))
    return findings.length === 0 ? EXIT.ok : EXIT.failed
  })
}

function filesOf({ files }: Readonly<Record<string, unknown>>): readonly string[] {
  return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : []
}

function help(io: CommandIo, usage: string): number {
  io.stdout.write(usage)
  return EXIT.ok
}
