import { readFile } from 'node:fs/promises'
import {
  isBundle,
  parseCosignatureVerifier,
  parseVerifier,
  verifyEvidence,
  type Trust,
  type VerifyReport,
} from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { verifyBundleCommand } from './evidence-verify-bundle.ts'
import { EXIT } from './exit.ts'
import { renderReport } from './verify-report.ts'

const USAGE = `usage: countersign evidence verify <directory | bundle> [--json] [--log-key KEY] [--witness-key KEY]...
         [--since FILE] [--explain ID] [--export-key KEY]

Derives a directory of evidence (or a copy of one), or an export bundle, again from its files and says what it finds. Writes
nothing.

  --log-key KEY      a public key that the log has or had, or a file that holds it: who signed, and that it is not a log
                     made anew; rotations lead from one to the others
  --witness-key KEY  a witness's public key, or a file that holds it: up to where it has signed, nothing was taken back
  --since FILE       a checkpoint kept from an earlier day, or fetched from a witness: what is here must continue it
  --explain ID       a record, or a decision: how each record of it leads to the signed root, and who has signed that
  --export-key KEY   of a bundle: the public key of whoever exported it
  --json             the report as JSON

exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified, 64 wrong usage
`

const OPTIONS = {
  json: { type: 'boolean', default: false },
  'log-key': { type: 'string' },
  'export-key': { type: 'string' },
  'witness-key': { type: 'string', multiple: true },
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
  const trust = await trustOf(asked)
  if (asked.exportKey !== undefined || (await isBundle(asked.directory))) {
    const { exportKey } = asked
    const key =
      exportKey === undefined
        ? {}
        : { exportKey: await keyOf(exportKey, parseVerifier, '--export-key', 'evidence key') }
    return verifyBundleCommand(asked.directory, { ...trust, ...key }, asked.json, io)
  }
  const report = await verifyEvidence(asked.directory, trust)
  io.stdout.write(asked.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report))
  return EXIT_OF[report.status]
}

interface Asked {
  readonly directory: string
  readonly json: boolean
  readonly logKey: string | undefined
  readonly exportKey: string | undefined
  readonly witnessKeys: readonly string[]
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
  return {
    directory,
    json,
    logKey: values['log-key'],
    witnessKeys: values['witness-key'] ?? [],
    exportKey: values['export-key'],
    since,
    explain,
  }
}

async function trustOf({ logKey, witnessKeys, since, explain }: Asked): Promise<Trust> {
  const trust: { -readonly [Name in keyof Trust]: Trust[Name] } = explain === undefined ? {} : { explain }
  if (logKey !== undefined) trust.logKey = await keyOf(logKey, parseVerifier, '--log-key', 'evidence key')
  if (witnessKeys.length > 0) {
    const parsed = witnessKeys.map((key) => keyOf(key, parseCosignatureVerifier, '--witness-key', 'witness key'))
    trust.witnessKeys = await Promise.all(parsed)
  }
  if (since !== undefined) {
    const text = await textOf(since)
    if (text === undefined) throw wrongUsage(`--since: expected a readable file; found none at ${since}`, USAGE)
    trust.since = text
  }
  return trust
}

async function keyOf<Key>(
  keyOrFile: string,
  parseKey: (text: string) => Key | undefined,
  option: string,
  command: string,
): Promise<Key> {
  const key = parseKey((await textOf(keyOrFile)) ?? keyOrFile)
  if (key !== undefined) return key
  throw wrongUsage(`${option}: expected name+id+key as \`countersign ${command}\` prints it, or a file of it`, USAGE)
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}
