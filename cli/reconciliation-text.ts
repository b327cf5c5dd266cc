import type { Around, Reconciliation, Unlogged } from '../planes/postgres/index.ts'

const VERDICT: Readonly<Record<Reconciliation['status'], string>> = {
  matched:
    "MATCHED: every statement in the server's log came through the gateway, and every one recorded as done is there.",
  unmatched: 'UNMATCHED: the two accounts differ, as above.',
  incomplete: 'INCOMPLETE: what could be judged matches; the rest is named above.',
}

/** A reconciliation for people. */
export function renderReconciliation(report: Reconciliation): string {
  const parts = [renderSpans(report), renderCounts(report)]
  if (report.aroundCount > 0) parts.push(renderAround(report))
  if (report.unloggedCount > 0) parts.push(renderUnlogged(report))
  if (report.unjudged.length > 0) parts.push(renderUnjudged(report))
  return `${parts.join('\n')}\n${VERDICT[report.status]}\n`
}

function renderSpans({ period, evidence, log }: Reconciliation): string {
  return `Period    ${period.from} to ${period.to}
Evidence  ${count(evidence.records, 'record')}, ${evidence.from} to ${evidence.to}
Log       ${count(log.lines, 'row')} in ${count(log.files.length, 'file')}, ${log.from ?? '?'} to ${log.to ?? '?'}
`
}

function renderCounts(report: Reconciliation): string {
  const { log, own, clocks, sessions } = report
  const lines = [
    `${count(log.statements, 'statement')} logged in the period, ${log.outside} outside it`,
    `${count(report.matched, 'statement')} of ${count(sessions.length, 'session')} matched`,
    `${own.statements} of the gateway's own, over ${count(own.connections, 'connection')}`,
  ]
  if (report.untold > 0) lines.push(`${report.untold} matched by order alone: their text was erased`)
  if (report.notRun > 0) lines.push(`${report.notRun} let through and never begun: something before them failed`)
  if (log.repeated > 0) lines.push(`${count(log.repeated, 'row')} told twice`)
  if (clocks !== null) lines.push(`the server's clock is ${clocks.least} to ${clocks.most} s ahead of the gateway's`)
  const table = sessions
    .filter(({ around, unlogged }) => around + unlogged > 0)
    .map((each) => {
      const differs = `${each.around} not recorded, ${each.unlogged} not logged`
      return `    ${each.session} ${printable(each.principal ?? 'nobody')} (${each.server ?? 'not in the log'}): ${each.matched} matched, ${differs}`
    })
  return `Counts\n${[...lines.map((line) => `  ${line}`), ...table].join('\n')}\n`
}

function renderAround({ around, aroundCount }: Reconciliation): string {
  const omitted = aroundCount - around.length
  const more = omitted === 0 ? '' : `  and ${omitted} more\n`
  return `At the server, and not through the gateway: ${aroundCount}\n${around.map(renderOne).join('')}${more}`
}

function renderOne({ time, user, database, from, session, pid, application, text, at, note }: Around): string {
  const calls = application === '' ? '' : `, calls itself ${printable(application)}`
  const why = note === null ? '' : `    ${printable(note)}\n`
  return `  ${time}  ${printable(user)} in ${printable(database)} from ${printable(from)} (session ${session}, pid ${pid}${calls})
    ${text === null ? 'a text that the grammar does not take' : printable(text)}
${why}    ${at}
`
}

function renderUnlogged({ unlogged, unloggedCount }: Reconciliation): string {
  const omitted = unloggedCount - unlogged.length
  const more = omitted === 0 ? '' : `  and ${omitted} more\n`
  return `Recorded as done, and never logged by the server: ${unloggedCount}\n${unlogged.map(renderMissing).join('')}${more}`
}

function renderMissing({ time, principal, session, record, text }: Unlogged): string {
  return `  ${time}  ${printable(principal ?? 'nobody')}, session ${session}, record ${record}
    ${text === null ? 'its text was erased' : printable(text)}
`
}

function renderUnjudged({ unjudged }: Reconciliation): string {
  const lines = unjudged.map(({ reason, count: times, examples }) => {
    const more = times > examples.length ? ', …' : ''
    return `  ${reason}: ${times} (${examples.map(printable).join(', ')}${more})\n`
  })
  return `Not judged\n${lines.join('')}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** Names and texts come from whoever connected: nothing in them may move a terminal's cursor. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ')
}
