import { verifyBundle, type BundleReport, type BundleTrust } from '../engine/evidence/index.ts'
import { bundleDigest } from '../engine/policy/index.ts'
import type { CommandIo } from './command.ts'
import { renderFindings } from './findings.ts'
import { printable } from './printable.ts'

const EXIT_OF: Readonly<Record<BundleReport['status'], number>> = { ok: 0, tampered: 1, incomplete: 2, cannot: 3 }

/** `countersign evidence verify <bundle>`. */
export async function verifyBundleCommand(
  bundle: string,
  trust: BundleTrust,
  json: boolean,
  io: CommandIo,
): Promise<number> {
  const report = await verifyBundle(bundle, { ...trust, policyDigest: bundleDigest })
  io.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : render(report))
  return EXIT_OF[report.status]
}

const VERDICT: Readonly<Record<BundleReport['status'], string>> = {
  ok: 'OK: this is what was exported, and its records are those that were signed.',
  tampered: 'TAMPERED: this is not what an export of that log makes.',
  incomplete: 'INCOMPLETE: what is here is unchanged, but something that belongs to it is not here.',
  cannot: "CAN'T VERIFY: something stood in the way of checking.",
}

const MANIFEST: Readonly<Record<BundleReport['manifest'], string>> = {
  verified: 'signature verified',
  unchecked:
    'signature not checked: pass --export-key; reports and counts are only as good as whoever handed this over',
  wrong: 'signature WRONG',
  none: 'not signed: reports and counts are only as good as whoever handed this over',
}

const CHECKPOINT: Readonly<Record<BundleReport['checkpoint'], string>> = {
  verified: 'signature verified',
  unchecked: 'signature not checked: pass --log-key; without it, a log that was made up shows no difference',
  wrong: 'signature WRONG',
}

function render(report: BundleReport): string {
  const parts = [
    `Export bundle ${report.bundle}\n`,
    renderPredicate(report),
    renderFindings(report),
    VERDICT[report.status],
  ]
  return `${parts.filter((part) => part !== '').join('\n')}\n`
}

function renderPredicate({ predicate, manifest, checkpoint, witnesses }: BundleReport): string {
  if (predicate === null) return ''
  const { log, query, range, counts } = predicate
  const filters = Object.entries(query).map(([name, value]) => (value === null ? '' : `, ${name} ${value}`))
  const where = range === null ? 'no record within the times asked for' : `leaves ${range.first} to ${range.last}`
  const lines = [
    `asked for   ${where}${filters.join('')}`,
    `records     ${counts.records}, each led to the signed root at its index; ${counts.context} more to judge them`,
    `recordings  ${counts.frames} frames`,
    `checkpoint  ${log.origin}, ${log.size} records, root ${log.root}; ${CHECKPOINT[checkpoint]}`,
    ...witnesses.map(({ key, at }) => `witness     ${key}: ${at === null ? 'did not sign it' : `signed it at ${at}`}`),
    `manifest    ${MANIFEST[manifest]}`,
    `missing     ${missing(isSelection(query), range === null)}`,
  ]
  return lines.map((line) => `  ${printable(line)}\n`).join('')
}

function isSelection({ control, agent, session }: NonNullable<BundleReport['predicate']>['query']): boolean {
  return control !== null || agent !== null || session !== null
}

function missing(filtered: boolean, empty: boolean): string {
  if (empty) return 'nothing can be said: no record is within these times'
  if (!filtered) return 'nothing, of these leaves'
  return 'what a selection left out stands behind hashes: ask for the same times without a filter'
}
