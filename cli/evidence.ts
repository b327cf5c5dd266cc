import { parseArgs } from 'node:util'
import { verifyEvidence, type Finding, type VerifyReport, type WriterReport } from '../engine/evidence/index.ts'

/** Where a command prints; process.stdout and process.stderr in earnest. */
export interface Output {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

const USAGE = `usage: countersign evidence verify <directory> [--json]

Derives a directory of evidence (or a copy of one) again from its files and says what it finds. Writes nothing.

  --json   the report as JSON

exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified, 64 wrong usage
`

const EXIT_USAGE = 64
const EXIT: Readonly<Record<VerifyReport['status'], number>> = { ok: 0, tampered: 1, incomplete: 2, cannot: 3 }

/** `countersign evidence …`; argv is what follows `evidence`. Resolves to the exit code. */
export async function evidenceCommand(argv: readonly string[], io: Output): Promise<number> {
  const asked = parse(argv)
  switch (asked.kind) {
    case 'help':
      io.stdout.write(USAGE)
      return 0
    case 'wrong':
      io.stderr.write(`countersign evidence: ${asked.why}\n\n${USAGE}`)
      return EXIT_USAGE
    case 'verify': {
      const report = await verifyEvidence(asked.directory)
      io.stdout.write(asked.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report))
      return EXIT[report.status]
    }
    default:
      return asked satisfies never
  }
}

type Asked =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'verify'; readonly directory: string; readonly json: boolean }

function parse(argv: readonly string[]): Asked {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
      allowPositionals: true,
    })
    if (values.help) return { kind: 'help' }
    const [command, directory, ...rest] = positionals
    if (command !== 'verify')
      return wrong(command === undefined ? 'what? (verify)' : `no command "${command}" (verify)`)
    if (directory === undefined) return wrong('verify needs the directory that holds the evidence')
    if (rest.length > 0) return wrong(`verify takes one directory, found ${rest.length + 1}`)
    return { kind: 'verify', directory, json: values.json }
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
}

function wrong(why: string): Asked {
  return { kind: 'wrong', why }
}

const VERDICT: Readonly<Record<VerifyReport['status'], string>> = {
  ok: 'OK: nothing was changed and nothing is missing up to the last record.',
  tampered: 'TAMPERED: these files are not what the gateway wrote.',
  incomplete: 'INCOMPLETE: what is here is unchanged, but something that belongs to it is not here.',
  cannot: "CAN'T VERIFY: something stood in the way of checking.",
}

// What this much of a log can't show, said where its result is read (docs/evidence-format.md).
const LIMITS = `A log whose end was cut off, or that was written anew from some point on, shows only against a copy or a
checkpoint that its keeper could not reach.
`

function renderReport(report: VerifyReport): string {
  const parts = [`Evidence in ${report.directory}\n`, renderWriters(report.writers), renderChecked(report)]
  if (report.inDoubt.length > 0) parts.push(renderInDoubt(report))
  if (report.findings.length > 0) parts.push(renderFindings(report))
  return [...parts, `${VERDICT[report.status]}\n${LIMITS}`].filter((part) => part !== '').join('\n')
}

const STATE: Readonly<Record<WriterReport['state'], string>> = {
  clean: 'closed',
  crash: 'crashed, closed by the next writer',
  running: 'running',
  open: 'never closed',
}

function renderWriters(writers: readonly WriterReport[]): string {
  const lines = writers.map((writer) => {
    const records = writer.records === 0 ? 'no records' : `records ${writer.firstSeq}–${count(writer.lastSeq)}`
    const gaps = writer.gaps.map(({ from, to }) => `, GAP ${from}–${to}`).join('')
    const torn = writer.tornBytes === 0 ? '' : `, ${plural(writer.tornBytes, 'torn byte')}`
    return `  ${writer.writerId}  ${records}${gaps}, ${plural(writer.frames, 'frame')}${torn}, ${STATE[writer.state]}\n`
  })
  return lines.length === 0 ? '' : `Writers\n${lines.join('')}`
}

function renderChecked({ records, frames, sessions, events, underway }: VerifyReport): string {
  if (records === 0 && frames === 0) return ''
  const byEvent = (family: string): string =>
    Object.entries(events)
      .filter(([event]) => event.startsWith(family))
      .map(([event, times]) => `${count(times)} ${event.slice(family.length)}`)
      .join(', ') || 'none'
  return `Checked
  ${plural(records, 'record')}: bytes, leaf hashes, sequence, chain
  ${plural(frames, 'frame')} of ${plural(sessions, 'session')}: bytes, leaf hashes, chains, and against the records that name them
  decisions: ${byEvent('decision.')}
  outcomes: ${byEvent('outcome.')}${underway === 0 ? '' : `, ${count(underway)} under way`}
  approvals: ${byEvent('approval.')}
`
}

function renderInDoubt({ inDoubt }: VerifyReport): string {
  const lines = inDoubt.map(({ decision, action, principal, ts, record }) => {
    const what = `${action ?? 'unnamed action'} by ${principal ?? 'nobody named'}`
    return printable(`  ${ts}  decision ${decision}  ${what}  (record ${record})`)
  })
  return `In doubt: nobody knows whether these took effect; ask the system behind the gateway\n${lines.join('\n')}\n`
}

function renderFindings({ findings, omitted }: VerifyReport): string {
  const more = omitted === 0 ? '' : `  and ${count(omitted)} more\n`
  return `Findings\n${findings.map(renderFinding).join('')}${more}`
}

function renderFinding({ severity, file, line, message, expected, found }: Finding): string {
  const place = line === null ? file : `${file}:${line}`
  const lines = [
    `  ${severity.toUpperCase()}  ${place}  ${message}`,
    `    expected  ${expected}`,
    `    found     ${found}`,
  ]
  return lines.map((text) => `${printable(text)}\n`).join('')
}

// Ids and names come out of files that somebody may have changed: none of them may move the cursor or forge a line.
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`)
}

function count(number: number): string {
  return number.toLocaleString('en')
}

function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`
}
