import { createHash } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { loadConfig } from '../engine/config/index.ts'
import type { LoadedConfig } from '../engine/config/index.ts'
import {
  controlReport,
  controlsCsv,
  isCitable,
  loadControlPack,
  reportHtml,
  reportPdf,
  SHIPPED_CONTROLS,
  type ControlPack,
  type ControlReport,
} from '../engine/controls/index.ts'
import {
  parseCheckpoint,
  parseVerifier,
  signedBy,
  type EvidenceSource,
  type NoteVerifier,
  type SignedCheckpoint,
} from '../engine/evidence/index.ts'
import { EvidenceError } from '../engine/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { knownControl } from './controls-list.ts'
import { noteInEvidence } from './evidence-note.ts'
import { readEvidence } from './evidence-store.ts'
import { EXIT } from './exit.ts'
import { timeOption } from './period.ts'
import { plural } from './printable.ts'

const USAGE = `usage: countersign report [--evidence DIR] [--config FILE] [--control ID]… [--from T] [--to T] -o FILE

What the evidence shows, control by control: population and completeness, measures, exceptions one by one, a sample with
proofs, the rules and approvals behind it, and the commands that check it. Every record up to the log's checkpoint is
read; no report is made of a log that isn't whole.

  -o, --out FILE  .html, .pdf, .csv or .json
  --evidence DIR  a directory of evidence, or a copy; without --config, nothing is written anywhere but FILE
  --config FILE   a gateway's configuration: its evidence (unless --evidence names a copy, as of a database that was
                  pulled), key and control pack; the report is noted in that evidence
  --reason TEXT   goes into that note
  --control ID    one control (repeatable); by default all that may be cited
  --from, --to    records from a time on, and before one: 2026-11-25 or 2026-11-25T18:00:00Z
  --log-key KEY   the log's public key, or a file that holds it: whose checkpoint it is
  --controls DIR  another pack than the one that comes with the gateway
`

const OPTIONS = {
  out: { type: 'string', short: 'o' },
  evidence: { type: 'string' },
  config: { type: 'string' },
  reason: { type: 'string' },
  control: { type: 'string', multiple: true },
  from: { type: 'string' },
  to: { type: 'string' },
  'log-key': { type: 'string' },
  controls: { type: 'string' },
} as const

type Writer = (report: ControlReport) => string | Promise<Uint8Array>
const FORMATS: Readonly<Record<string, Writer>> = {
  '.html': reportHtml,
  '.pdf': reportPdf,
  '.csv': controlsCsv,
  '.json': (report) => `${JSON.stringify(report, null, 2)}\n`,
}

/** `countersign report`. */
export async function reportCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = await parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const { logKey, loaded, out, write } = asked
  const pack = await loadControlPack(asked.pack)
  const controls = chosen(pack, asked.controls)
  if (logKey === null) io.stderr.write('whose checkpoint this is was not checked: pass --log-key\n')
  const report = await readEvidence(asked.directory, loaded, async (evidence) => {
    const { origin, size, root } = await signedCheckpoint(evidence, logKey)
    const scope = { ...asked.period, origin, size, root, ...(controls === null ? {} : { controls }) }
    return controlReport(evidence, pack, scope)
  })
  const content = await write(report)
  const sha256 = createHash('sha256').update(content).digest('hex')
  // The note first: a report that nobody can find in the evidence must not exist.
  if (loaded !== null) await note(loaded, report, { sha256, format: extname(out).slice(1) }, asked.reason)
  await replace(out, content)
  const exceptions = report.sections.flatMap(({ measures }) => measures.filter(({ state }) => state === 'exceptions'))
  io.stdout.write(
    `${out}: ${plural(report.sections.length, 'control')}, ${plural(report.span.records, 'record')} of ${report.log.size}, sha256 ${sha256}\n`,
  )
  if (exceptions.length > 0) io.stdout.write(`measures with exceptions: ${exceptions.length}\n`)
  return EXIT.ok
}

interface Asked {
  readonly directory: string | undefined
  readonly logKey: NoteVerifier | null
  readonly loaded: LoadedConfig | null
  readonly pack: string
  readonly controls: readonly string[]
  readonly period: { readonly from: string | null; readonly to: string | null }
  readonly reason: string | null
  readonly out: string
  readonly write: Writer
}

async function parse(argv: readonly string[]): Promise<'help' | Asked> {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) return 'help'
  if (positionals.length > 0) throw wrongUsage(`report takes options alone, found ${positionals.join(' ')}`, USAGE)
  const { out, evidence, config, reason, control = [], controls } = values
  if (out === undefined) throw wrongUsage('-o: expected a file; found nothing', USAGE)
  const write = FORMATS[extname(out)]
  if (write === undefined) throw wrongUsage(`-o: expected .html, .pdf, .csv or .json; found ${out}`, USAGE)
  if (evidence === undefined && config === undefined) {
    throw wrongUsage('expected --evidence DIR or --config FILE; found neither', USAGE)
  }
  const loaded = config === undefined ? null : loadConfig(config)
  return {
    directory: evidence,
    logKey: (await verifier(values['log-key'])) ?? loaded?.config.evidence.signer?.verifier ?? null,
    loaded,
    pack: controls ?? loaded?.config.controls.directory ?? SHIPPED_CONTROLS,
    controls: control,
    period: { from: timeOption('--from', values.from, USAGE), to: timeOption('--to', values.to, USAGE) },
    reason: reason ?? null,
    out,
    write,
  }
}

async function verifier(value: string | undefined): Promise<NoteVerifier | null> {
  if (value === undefined) return null
  const key = parseVerifier(await readFile(value, 'utf8').catch(() => value))
  if (key !== undefined) return key
  throw wrongUsage('--log-key: expected name+id+key as `countersign evidence key` prints it, or a file of it', USAGE)
}

/** Null: all that may be cited. One that is known from memory alone can be asked for, and says so in its report. */
function chosen(pack: ControlPack, ids: readonly string[]): readonly string[] | null {
  if (ids.length === 0) return null
  const controls = ids.map((id) => knownControl(pack, id))
  const withdrawn = controls.find(({ status }) => status === 'legacy')
  if (withdrawn === undefined) return ids
  const instead = Object.values(withdrawn.crosswalk)
    .flat()
    .filter((id) => pack.controls.get(id)?.status === 'current')
  const current = [...pack.controls.values()].filter(({ crosswalk }) =>
    Object.values(crosswalk).flat().includes(withdrawn.id),
  )
  const others = [...instead, ...current.filter(isCitable).map(({ id }) => id)]
  throw wrongUsage(
    `--control: ${withdrawn.id} is of a withdrawn framework; ask for ${others.join(', ') || 'another'}`,
    USAGE,
  )
}

async function signedCheckpoint(evidence: EvidenceSource, logKey: NoteVerifier | null): Promise<SignedCheckpoint> {
  const path = `${evidence.place}/log/checkpoint`
  const checkpoint = parseCheckpoint((await evidence.document('checkpoint')) ?? '')
  if (checkpoint === undefined) {
    const message = `${path}: expected the log's checkpoint; found none that can be read; a report needs a signed log (evidence.log in the configuration)`
    throw new EvidenceError('ERR_EVIDENCE_DIRECTORY', message)
  }
  if (logKey === null || (checkpoint.origin === logKey.name && signedBy(checkpoint.note, logKey))) return checkpoint
  const message = `${path}: expected a checkpoint signed by ${logKey.name}; found one of ${checkpoint.origin} with another signature; run countersign evidence verify`
  throw new EvidenceError('ERR_EVIDENCE_TAMPERED', message)
}

async function note(
  loaded: LoadedConfig,
  { log, period, sections, pack }: ControlReport,
  file: { readonly sha256: string; readonly format: string },
  reason: string | null,
): Promise<void> {
  const controls = sections.map(({ control }) => control.id)
  const detail = { ...file, controls, ...period, ...log, control_pack: pack.digest }
  await noteInEvidence(loaded, 'report.generated', detail, reason)
}

/** Whole or not at all: what stood there stays until the new one is complete. */
async function replace(path: string, content: string | Uint8Array): Promise<void> {
  const fresh = `${path}.${process.pid}.new`
  await writeFile(fresh, content, { mode: 0o600 })
  await rename(fresh, path)
}
