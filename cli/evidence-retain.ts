import { loadConfig, type LoadedConfig } from '../engine/config/index.ts'
import {
  holdSet,
  holdsAt,
  readHolds,
  retain,
  unconfigured,
  unrecorded,
  type EvidenceStore,
  type LegalHold,
  type RetainReport,
} from '../engine/evidence/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { withNotes } from './evidence-note.ts'
import { evidenceStoreOf } from './evidence-store.ts'
import { EXIT } from './exit.ts'

const USAGE = `usage: countersign evidence retain --config FILE [--dry-run] [--reason TEXT]

Erases what evidence.retention lets go of: the payloads beside records and frames, never the entries themselves, so that
the log verifies as before. What is erased is recorded first. A legal hold wins over every rule. A gateway may be running.

  --config FILE  the gateway's configuration
  --dry-run      say what would go and what holds keep; record and erase nothing
  --reason TEXT  recorded with it

exit: 0 done, 1 payloads were found damaged that no erasing explains: run countersign evidence verify
`

/** `countersign evidence retain`. */
export async function retainCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  const loaded = loadConfig(asked.config)
  const store = evidenceStoreOf(loaded.config)
  try {
    const { report, absent } = await (asked.dryRun ? tried(loaded, store) : done(loaded, store, asked.reason))
    io.stdout.write(render(loaded, report, absent, asked.dryRun))
    return report.damaged.length === 0 ? EXIT.ok : EXIT.failed
  } finally {
    await store.close()
  }
}

interface Outcome {
  readonly report: RetainReport
  /** Holds in force that the configuration hasn't got. */
  readonly absent: readonly LegalHold[]
}

async function tried({ config }: LoadedConfig, store: EvidenceStore): Promise<Outcome> {
  const { retention, holds } = config.keeping
  const known = await readHolds(store.source)
  const now = Date.now()
  const inForce = [...holdsAt(known, now), ...unrecorded(holds, known)]
  const report = await retain(store, { rules: retention, holds: inForce, now, reason: null, record: null })
  return { report, absent: unconfigured(holds, known) }
}

/** One run at a time: who notes keeps all others from noting. */
function done(loaded: LoadedConfig, store: EvidenceStore, reason: string | null): Promise<Outcome> {
  const { retention, holds } = loaded.config.keeping
  return withNotes(loaded, async (note) => {
    const known = await readHolds(store.source)
    const fresh = unrecorded(holds, known)
    for (const hold of fresh) await note(holdSet(hold))
    const now = Date.now()
    const inForce = [...holdsAt(known, now), ...fresh]
    const report = await retain(store, { rules: retention, holds: inForce, now, reason, record: note })
    return { report, absent: unconfigured(holds, known) }
  })
}

function parse(
  argv: readonly string[],
): 'help' | { readonly config: string; readonly dryRun: boolean; readonly reason: string | null } {
  const { values, positionals } = commandLine(
    USAGE,
    { config: { type: 'string' }, 'dry-run': { type: 'boolean', default: false }, reason: { type: 'string' } },
    argv,
  )
  if (values.help) return 'help'
  if (positionals.length > 0 || values.config === undefined)
    throw wrongUsage('expected --config FILE: only live evidence is erased from', USAGE)
  return { config: values.config, dryRun: values['dry-run'], reason: values.reason ?? null }
}

function render({ config }: LoadedConfig, report: RetainReport, absent: readonly LegalHold[], dryRun: boolean): string {
  const { retention } = config.keeping
  const lines = [dryRun ? 'Would erase' : 'Erased']
  for (const { rule, resource, records, frames, bytes } of report.due) {
    const { resource: pattern, olderThan } = retention[rule] ?? { resource: '?', olderThan: '?' }
    const what = `${records} of records, ${frames} of frames, ${bytes} bytes`
    lines.push(`  ${pattern} older than ${olderThan}: ${resource ?? 'about no resource'}: ${what}`)
  }
  if (report.due.length === 0) lines.push('  nothing')
  if (report.finished > 0) lines.push(`  ${report.finished} that an earlier run had recorded and not finished`)
  lines.push('Kept', `  ${report.kept} that no rule lets go of yet`)
  for (const [hold, count] of report.held) lines.push(`  ${count} held by ${hold}`)
  if (report.erasedBefore > 0) lines.push(`Erased before\n  ${report.erasedBefore}`)
  for (const { name, reason } of absent)
    lines.push(`Hold ${name} is in force though the configuration hasn't got it (${reason}): lift it, or put it back`)
  for (const place of report.damaged) lines.push(`DAMAGED ${place}: no erasing explains this payload`)
  return `${lines.join('\n')}\n`
}
