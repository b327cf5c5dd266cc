import type { Explanation, LogReport, VerifyReport, WriterReport } from '../engine/evidence/index.ts'
import { renderFindings } from './findings.ts'
import { plural, printable } from './printable.ts'

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
  verified: `The key's holder could still have written another log, or an older state of this one: --witness-key shows that up to
where a witness has signed, --since from a checkpoint on that was kept where that holder can't change it.
`,
  wrong: '',
}

function limits(log: LogReport | null): string {
  if (log === null) return LIMITS.bare
  const unwitnessed = log.unwitnessed?.records ?? null
  if (log.signature !== 'verified' || unwitnessed === null) return LIMITS[log.signature]
  return unwitnessed === 0
    ? ''
    : `What no witness has signed yet, the key's holder could still take back or write anew.\n`
}

/** A report as people read it. */
export function renderReport(report: VerifyReport): string {
  const parts = [
    `Evidence in ${report.directory}\n`,
    renderWriters(report.writers),
    renderChecked(report),
    renderLog(report.log),
  ]
  if (report.inDoubt.length > 0) parts.push(renderInDoubt(report))
  parts.push(renderFindings(report))
  return [...parts, `${VERDICT[report.status]}\n${limits(report.log)}`].filter((part) => part !== '').join('\n')
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

function renderChecked({ records, frames, sessions, events, settled, underway, erased }: VerifyReport): string {
  if (records === 0 && frames === 0) return ''
  const byEvent = (family: string): string =>
    Object.entries(events)
      .filter(([event]) => event.startsWith(family))
      .map(([event, times]) => `${count(times)} ${event.slice(family.length)}`)
      .join(', ') || 'none'
  return `Checked
  ${plural(records, 'record')}: bytes, leaf hashes, sequence, chain
  ${plural(frames, 'frame')} of ${plural(sessions, 'session')}: bytes, leaf hashes, chains, and against the records that name them
  payloads: against the digests in their entries, ${erased === 0 ? 'none erased' : `${count(erased)} erased, by retention`}
  decisions: ${byEvent('decision.')}
  outcomes: ${byEvent('outcome.')}${settled === 0 ? '' : `, ${count(settled)} with the decision`}${underway === 0 ? '' : `, ${count(underway)} under way`}
  approvals: ${byEvent('approval.')}
`
}

function renderLog(log: LogReport | null): string {
  if (log === null) return ''
  const since = log.since === 'not given' ? '' : `, ${log.since} with the earlier checkpoint`
  const size = log.root === null ? 'no checkpoint' : `${plural(log.size, 'record')}, root ${log.root}${since}`
  const unsigned = log.unsigned === 0 ? '' : `  ${plural(log.unsigned, 'record')} not covered yet\n`
  const keys = log.keys.length > 1 ? log.keys.map(renderKey).join('') : ''
  const lines = `${printable(`  ${log.origin ?? 'nobody'}: ${size}`)}\n  signature ${log.signature}\n${keys}${unsigned}`
  return `Log\n${lines}${renderWitnesses(log)}${log.explanations.map(renderExplanation).join('')}`
}

function renderKey({ key, after, to, compromisedFrom }: LogReport['keys'][number]): string {
  const from = after === null ? 'from the first record' : `from record ${count(after + 1)}`
  const until = to === null ? 'on' : `to ${count(to)}`
  const compromised = compromisedFrom === null ? '' : `, NOT TRUSTED beyond ${count(compromisedFrom)}`
  return `${printable(`  key ${key}: ${from} ${until}${compromised}`)}\n`
}

function renderWitnesses({ witnesses, unwitnessed }: LogReport): string {
  const lines = witnesses.map(({ key, size, at }) => {
    const signed = at === null ? 'has signed nothing here' : `signed ${plural(size, 'record')} at ${at}`
    return `${printable(`  witness ${key} ${signed}`)}\n`
  })
  if (unwitnessed === null) return ''
  const { records, since } = unwitnessed
  const age = records === 0 ? 'nothing' : `${plural(records, 'record')}, the oldest of ${since ?? 'unknown time'}`
  return `${lines.join('')}  not witnessed yet: ${age}\n`
}

function renderExplanation({ record, event, leaf, index, proof, proved, witnesses }: Explanation): string {
  const steps = proof.map((hash, at) => `    ${at + 1}  ${hash}\n`).join('')
  const end = proved
    ? '    these lead to the signed root\n'
    : '    NOT PROVED: no checkpoint covers it, or a tile is gone\n'
  const signed = witnesses.map((key) => `${printable(`    witnessed by ${key}`)}\n`).join('')
  return `${printable(`  ${event}  record ${record}  leaf ${index}: ${leaf}`)}\n${steps}${end}${signed}`
}

function renderInDoubt({ inDoubt }: VerifyReport): string {
  const lines = inDoubt.map(({ decision, action, principal, ts, record }) => {
    const what = `${action ?? 'unnamed action'} by ${principal ?? 'nobody named'}`
    return printable(`  ${ts}  decision ${decision}  ${what}  (record ${record})`)
  })
  return `In doubt: nobody knows whether these took effect; ask the system behind the gateway\n${lines.join('\n')}\n`
}

function count(number: number): string {
  return number.toLocaleString('en')
}
