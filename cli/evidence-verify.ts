import { readFile } from 'node:fs/promises'
import {
  isBundle,
  parseVerifier,
  verifyEvidence,
  type Explanation,
  type Finding,
  type LogReport,
  type Trust,
  type VerifyReport,
  type WriterReport,
} from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { verifyBundleCommand } from './evidence-verify-bundle.ts'
import { EXIT } from './exit.ts'

const USAGE = `usage: countersign evidence verify <directory | bundle> [--json] [--log-key KEY] [--since FILE] [--explain ID]
         [--export-key KEY]

Derives a directory of evidence (or a copy of one), or an export bundle, again from its files and says what it finds. Writes
nothing.

  --log-key KEY     the log's public key, or a file that holds it: who signed, and that it is not a log made anew
  --since FILE      a checkpoint kept from an earlier day: what is here must continue it
  --explain ID      a record, or a decision: how each record of it leads to the signed root
  --export-key KEY  of a bundle: the public key of whoever exported it
  --json            the report as JSON

exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified, 64 wrong usage
`

const OPTIONS = {
  json: { type: 'boolean', default: false },
  'log-key': { type: 'string' },
  'export-key': { type: 'string' },
  since: { type: 'string' },
  explain: { type: 'string' },
} as const

const EXIT_OF: Readonly<Record<VerifyReport['status'], number>> = { ok: 0, tampered: 1, incomplete: 2, cannot: 3 }

/** `countersign evidence verify`: argv is what follows. Resolves with the exit code. */
export async function verifyCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  if (asked.exportKey !== undefined || (await isBundle(asked.directory))) return verifyBundleCommand(asked, io)
  const report = await verifyEvidence(asked.directory, await trustOf(asked))
  io.stdout.write(asked.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report))
  return EXIT_OF[report.status]
}

interface Asked {
  readonly directory: string
  readonly json: boolean
  readonly logKey: string | undefined
  readonly exportKey: string | undefined
  readonly since: string | undefined
  readonly explain: string | undefined
}

function parse(argv: readonly string[]): 'help' | Asked {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) return 'help'
  const [directory, ...rest] = positionals
  if (directory === undefined) throw wrongUsage('verify needs the directory that holds the evidence', USAGE)
  if (rest.length > 0) throw wrongUsage(`verify takes one directory, found ${positionals.length}`, USAGE)
  const { json, since, explain } = values
  return { directory, json, logKey: values['log-key'], exportKey: values['export-key'], since, explain }
}

async function trustOf({ logKey, since, explain }: Asked): Promise<Trust> {
  const trust: { -readonly [Name in keyof Trust]: Trust[Name] } = explain === undefined ? {} : { explain }
  if (logKey !== undefined) {
    const key = parseVerifier((await textOf(logKey)) ?? logKey)
    if (key === undefined) {
      throw wrongUsage(
        '--log-key: expected name+id+key as `countersign evidence key` prints it, or a file of it',
        USAGE,
      )
    }
    trust.logKey = key
  }
  if (since !== undefined) {
    const text = await textOf(since)
    if (text === undefined) throw wrongUsage(`--since: expected a readable file; found none at ${since}`, USAGE)
    trust.since = text
  }
  return trust
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

const VERDICT: Readonly<Record<VerifyReport['status'], string>> = {
  ok: 'OK: nothing was changed and nothing is missing up to the last record.',
  tampered: 'TAMPERED: these files are not what the gateway wrote.',
  incomplete: 'INCOMPLETE: what is here is unchanged, but something that belongs to it is not here.',
  cannot: "CAN'T VERIFY: something stood in the way of checking.",
}

// What this much of a log can't show, said where its result is read (docs/evidence-format.md).
const LIMITS: Readonly<Record<'bare' | LogReport['signature'], string>> = {
  bare: `A log whose end was cut off, or that was written anew from some point on, shows only against a copy: this directory
was written without a log's key (evidence.log in the gateway's configuration).
`,
  unchecked: `Whose checkpoint this is was not checked: pass --log-key. Without it, a log that was written anew shows no difference.
`,
  verified: `The key's holder could still have written another log, or an older state of this one: --since shows that, with a
checkpoint kept where that holder can't change it.
`,
  wrong: '',
}

function renderReport(report: VerifyReport): string {
  const parts = [
    `Evidence in ${report.directory}\n`,
    renderWriters(report.writers),
    renderChecked(report),
    renderLog(report.log),
  ]
  if (report.inDoubt.length > 0) parts.push(renderInDoubt(report))
  if (report.findings.length > 0) parts.push(renderFindings(report))
  return [...parts, `${VERDICT[report.status]}\n${LIMITS[report.log?.signature ?? 'bare']}`]
    .filter((part) => part !== '')
    .join('\n')
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

function renderLog(log: LogReport | null): string {
  if (log === null) return ''
  const since = log.since === 'not given' ? '' : `, ${log.since} with the earlier checkpoint`
  const size = log.root === null ? 'no checkpoint' : `${plural(log.size, 'record')}, root ${log.root}${since}`
  const unsigned = log.unsigned === 0 ? '' : `  ${plural(log.unsigned, 'record')} not covered yet\n`
  const lines = `${printable(`  ${log.origin ?? 'nobody'}: ${size}`)}\n  signature ${log.signature}\n${unsigned}`
  return `Log\n${lines}${log.explanations.map(renderExplanation).join('')}`
}

function renderExplanation({ record, event, leaf, index, proof, proved }: Explanation): string {
  const steps = proof.map((hash, at) => `    ${at + 1}  ${hash}\n`).join('')
  const end = proved
    ? '    these lead to the signed root\n'
    : '    NOT PROVED: no checkpoint covers it, or a tile is gone\n'
  return `${printable(`  ${event}  record ${record}  leaf ${index}: ${leaf}`)}\n${steps}${end}`
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
