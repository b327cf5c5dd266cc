import { readFile } from 'node:fs/promises'
import { loadConfig, type LoadedConfig } from '../engine/config/index.ts'
import {
  exportEvidence,
  parseSigner,
  type EvidenceSource,
  type ExportOptions,
  type ExportReport,
  type NoteSigner,
  type Query,
} from '../engine/evidence/index.ts'
import { bundleDigest } from '../engine/policy/index.ts'
import {
  controlReport,
  controlsCsv,
  loadControlPack,
  reportHtml,
  reportPdf,
  SHIPPED_CONTROLS,
} from '../engine/controls/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { noteInEvidence } from './evidence-note.ts'
import { readEvidence } from './evidence-store.ts'
import { EXIT } from './exit.ts'
import { timeOption } from './period.ts'
import { version } from './version.ts'

const USAGE = `usage: countersign evidence export [<directory>] [--config FILE] (--key FILE | --unsigned) -o BUNDLE
         [--from TIME] [--to TIME] [--control ID] [--agent ID] [--session ID] [--at CHECKPOINT] [--policy FILE]…
         [--controls DIR] [--no-reports] [--reason TEXT]

Writes a bundle that an auditor checks offline: records with proofs to a signed checkpoint, recordings, OSCAL, OCSF, reports.
The same question at the same checkpoint gives the same bytes. See docs/evidence-bundle.md.

  <directory>     evidence, or a copy; nothing is written to it
  --config FILE   the gateway's configuration: its live evidence, where no directory is given (a database is pulled into one
                  first); records in that evidence that you did
  -o, --out DIR   must not be there yet
  --key FILE      the export key's private half (countersign evidence key); not the log's own
  --unsigned      no key: the bundle says so, and whoever hands it on can change what is no record
  --from, --to    records of these times: 2026-11-25, or 2026-11-25T08:00:00Z; --to is not included
  --control ID    records that carry this control, and what follows of the same decisions
  --agent ID      records of this principal: its sessions, decisions and their outcomes
  --session ID    records of this session
  --at FILE       a checkpoint kept from earlier; else the newest that a witness has signed, or the newest there is
  --policy FILE   a policy bundle to put in where the records name it; the configured one always is
  --controls DIR  the control pack that reports are made under; else the configured one, or the one that comes along
  --no-reports    no controls.csv, report.html and report.pdf; an export of one agent or session never has them, since they
                  tell of everybody
  --reason TEXT   recorded with --config

exit: 0 done, 64 wrong usage, 74 the evidence can't be exported so
`

const OPTIONS = {
  config: { type: 'string' },
  out: { type: 'string', short: 'o' },
  key: { type: 'string' },
  unsigned: { type: 'boolean', default: false },
  from: { type: 'string' },
  to: { type: 'string' },
  control: { type: 'string' },
  agent: { type: 'string' },
  session: { type: 'string' },
  at: { type: 'string' },
  policy: { type: 'string', multiple: true },
  controls: { type: 'string' },
  'no-reports': { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

/** `countersign evidence export`. */
export async function exportCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const loaded = asked.config === undefined ? null : loadConfig(asked.config)
  const report = await readEvidence(asked.directory, loaded, (evidence) => exported(evidence, asked, loaded, io))
  io.stdout.write(render(report))
  return EXIT.ok
}

async function exported(
  evidence: EvidenceSource,
  asked: Asked,
  loaded: LoadedConfig | null,
  io: CommandIo,
): Promise<ExportReport> {
  const policies = [...asked.policy, ...(loaded === null ? [] : [loaded.config.policy.bundle])]
  return exportEvidence({
    evidence,
    out: asked.out,
    query: asked.query,
    signer: await signerOf(asked),
    producer: await version(),
    ...(asked.at === undefined ? {} : { checkpoint: await textOf('--at', asked.at) }),
    policyFile: await policyFiles(policies),
    ...(asked.reports ? { reports: await reportsOf(evidence, asked, loaded) } : {}),
    onProgress: (phase, done, of) =>
      io.stderr.write(`${phase} ${done.toLocaleString('en')} of ${of.toLocaleString('en')}\n`),
    beforePublishing: (made) => note(loaded, made, asked.reason, io),
  })
}

interface Asked {
  readonly directory: string | undefined
  readonly config: string | undefined
  readonly out: string
  readonly key: string | undefined
  readonly query: Query
  readonly at: string | undefined
  readonly policy: readonly string[]
  readonly controls: string | undefined
  readonly reports: boolean
  readonly reason: string | null
}

function parse(argv: readonly string[]): 'help' | Asked {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) return 'help'
  const { config, out, key, unsigned, control, agent, session, at, policy, controls, reason } = values
  const [directory, ...rest] = positionals
  if ((directory === undefined && config === undefined) || rest.length > 0)
    throw wrongUsage('export takes one directory, or --config FILE', USAGE)
  if (out === undefined) throw wrongUsage('export needs -o BUNDLE', USAGE)
  if ((key === undefined) !== unsigned) throw wrongUsage('export needs either --key FILE or --unsigned', USAGE)
  const [from, to] = [timeOption('--from', values.from, USAGE), timeOption('--to', values.to, USAGE)]
  if (from !== null && to !== null && from >= to) throw wrongUsage('--from: expected a time before --to', USAGE)
  const query = { from, to, control: control ?? null, agent: agent ?? null, session: session ?? null }
  const reports = !values['no-reports'] && agent === undefined && session === undefined
  const given = { policy: policy ?? [], controls, reports, reason: reason ?? null }
  return { directory, config, out, key, query, at, ...given }
}

async function signerOf({ key }: Asked): Promise<NoteSigner | null> {
  if (key === undefined) return null
  const signer = parseSigner(await textOf('--key', key))
  if (signer === undefined)
    throw wrongUsage(`--key: expected a private key as \`countersign evidence key\` makes it`, USAGE)
  return signer
}

async function textOf(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    throw wrongUsage(`${option}: expected a readable file; found none at ${path}`, USAGE)
  }
}

async function policyFiles(paths: readonly string[]): Promise<NonNullable<ExportOptions['policyFile']>> {
  const files = new Map<string, string>()
  for (const path of paths) files.set(await bundleDigest(path), path)
  return async (digest) => {
    const path = files.get(digest)
    return path === undefined ? null : readFile(path)
  }
}

/** Reports of the same period under the same checkpoint; of one control alone, where one was asked for. */
async function reportsOf(
  evidence: EvidenceSource,
  { query, controls }: Asked,
  loaded: LoadedConfig | null,
): Promise<NonNullable<ExportOptions['reports']>> {
  const pack = await loadControlPack(controls ?? loaded?.config.controls.directory ?? SHIPPED_CONTROLS)
  return async ({ root, ...scope }) => {
    if (query.control !== null && !pack.controls.has(query.control)) return []
    const chosen = query.control === null ? {} : { controls: [query.control] }
    const report = await controlReport(evidence, pack, {
      ...scope,
      ...chosen,
      root: Buffer.from(root, 'base64'),
      closed: true,
    })
    return [
      { name: 'controls.csv', content: controlsCsv(report) },
      { name: 'report.html', content: reportHtml(report) },
      { name: 'report.pdf', content: await reportPdf(report) },
    ]
  }
}

/** Who takes evidence away is evidence: recorded before anybody can have the bundle. */
async function note(
  loaded: LoadedConfig | null,
  { out, manifest, predicate }: ExportReport,
  reason: string | null,
  io: CommandIo,
): Promise<void> {
  if (loaded === null) {
    io.stderr.write(
      'not recorded as an event: nothing is written to a directory that may be a copy; --config records it\n',
    )
    return
  }
  const { query, range, counts, log } = predicate
  const detail = { query: { ...query }, range: range === null ? null : { ...range }, records: counts.records }
  await noteInEvidence(loaded, 'evidence.exported', { ...detail, checkpoint: { ...log }, manifest, out }, reason)
}

function render({ out, manifest, witnessed, predicate }: ExportReport): string {
  const { log, range, counts } = predicate
  const where = range === null ? 'none within these times' : `of leaves ${range.first} to ${range.last}`
  return `${out}
  records     ${counts.records} ${where}, ${counts.context} more to judge them
  recordings  ${counts.frames} frames
  checkpoint  ${log.origin}, ${log.size} records, root ${log.root}${witnessed ? '' : ', not witnessed'}
  manifest    SHA-256 ${manifest}
`
}
