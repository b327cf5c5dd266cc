import type { ApprovalView } from '../console/approval-view.ts'
import type { JsonObject, JsonValue } from '../engine/index.ts'
import { plain, type Paint, type Tone } from './colour.ts'

/**
 * How an approval reads on a terminal. What stands in it was written by an agent that may want to be approved: it is
 * shown whole, and no character of it can move the cursor, hide, or pass for one of our own lines.
 */

const LABEL_WIDTH = 11
const SEPARATOR = '│ ' // no label of ours starts a line so

/** One approval, for somebody who has ten seconds. `now`: milliseconds since 1970. */
export function page(approval: ApprovalView, now: number, paint: Paint = plain): string {
  const { summary, terms } = approval
  const lines = [
    `${visible(approval.id)}  ${paint(stateTone(approval), standing(approval, now))}`,
    ...row('asks', [who(approval)]),
    ...row('wants', [`${wanted(summary)}  (${shown(objectOf(summary['action'])['class'])})`]),
    ...blockRows(summary),
    ...row('touches', listOf(summary['resources']).flatMap(resource)),
    ...row('expects', [expected(summary)]),
    ...row('inside', [insideOf(summary)]),
    ...row('hides', [listOf(summary['masks']).map(mask).join(', ')]),
    ...row('because', [`${visible(approval.message)}  (rule ${visible(approval.rule)})`]),
    ...row('needs', [needs(approval)]),
    ...row('answers', approval.answers.map(answerLine)),
    ...row('earlier', [earlierLine(approval)]),
    ...row('traces', [`decision ${visible(approval.decision)}, policy ${visible(approval.policy.revision)}`]),
  ]
  if (approval.state === 'requested') lines.push(...row('next', [next(approval.id, terms.reason_required)]))
  return `${lines.join('\n')}\n`
}

/** A line an approval. */
export function table(approvals: readonly ApprovalView[], now: number, paint: Paint = plain): string {
  const rows = approvals.map((approval) => [
    visible(approval.id),
    standing(approval, now),
    who(approval),
    wanted(approval.summary),
    visible(approval.rule),
  ])
  return listed(['ID', 'STATE', 'WHO', 'WANTS', 'RULE'], rows, (column, at, text) => {
    const approval = approvals[at]
    return column === 1 && approval !== undefined ? paint(stateTone(approval), text) : text
  })
}

/** Columns under their heads. `tone` gets each cell padded, so that what it puts around it takes no room. */
export function listed(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  tone: (column: number, row: number, text: string) => string = (_column, _row, text) => text,
): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((cells) => cells[column]?.length ?? 0)))
  const line = (cells: readonly string[], at: number): string =>
    cells
      .map((cell, column) => {
        const padded = column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)
        return at < 0 ? padded : tone(column, at, padded)
      })
      .join('  ')
      .trimEnd()
  return `${[line(heads, -1), ...rows.map(line)].join('\n')}\n`
}

export function stateTone({ state }: ApprovalView): Tone {
  if (state === 'requested') return 'waiting'
  return state === 'granted' || state === 'used' ? 'good' : state === 'denied' || state === 'revoked' ? 'bad' : 'faint'
}

/** What was asked like it before: whether this is new. */
function earlierLine({ earlier }: ApprovalView): string {
  if (earlier === undefined) return ''
  if (earlier.count === 0) return 'nothing like it, from this requester'
  const states = Object.entries(earlier.states).map(([state, count]) => `${count} ${state}`)
  return `${earlier.count} like it from this requester: ${states.join(', ')}`
}

const OUTCOMES: Readonly<Record<ApprovalView['state'], string>> = {
  requested: 'your yes is recorded; still needed: ',
  granted: 'granted; the request that waits goes on, once',
  used: 'granted; the request that waited went on',
  denied: 'denied; the request that waits is rejected',
  expired: 'expired',
  withdrawn: 'withdrawn',
  revoked: 'revoked',
}

/** What an answer has come to. */
export function outcome(approval: ApprovalView): string {
  if (approval.grant !== undefined && approval.state === 'granted') {
    return `${visible(approval.id)}: granted, in force until ${approval.expires_at}\n`
  }
  const missing = approval.state === 'requested' ? needs(approval) : ''
  return `${visible(approval.id)}: ${OUTCOMES[approval.state]}${missing}\n`
}

export function standing({ state, expires_at }: ApprovalView, now: number): string {
  if (state !== 'requested' && state !== 'granted') return state
  const left = Math.ceil((Date.parse(expires_at) - now) / 1000)
  return left > 0 ? `${state}, expires in ${duration(left)}` : `${state}, expiring`
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h`
}

export function who({ requester }: ApprovalView): string {
  const { id, kind, owner, act } = requester
  const chain = act.length === 0 ? '' : `, for ${act.map(visible).join(', for ')}`
  return `${visible(id)}, ${visible(kind)}${owner === null ? '' : ` of ${visible(owner)}`}${chain}`
}

export function wanted(summary: JsonObject): string {
  const names = listOf(summary['resources']).map((each) => shown(objectOf(each)['name']))
  return `${shown(objectOf(summary['action'])['name'])}${names.length === 0 ? '' : ` on ${names.join(', ')}`}`
}

/** The plane's own block, whatever the plane: its statement first, then what else it tells. */
function blockRows(summary: JsonObject): readonly string[] {
  const block = objectOf(summary[shown(objectOf(summary['context'])['plane'])])
  const { statement, parameters, estimate: _, ...rest } = block
  const others = Object.entries(rest).filter(([, value]) => value !== null && shown(value) !== '')
  return [
    ...(typeof statement === 'string' ? row('statement', statement.replaceAll('\t', '  ').split(/\r?\n/)) : []),
    ...row(
      'values',
      listOf(parameters).map((value, index) => `$${index + 1} = ${shown(value)}`),
    ),
    ...row('with', [others.map(([name, value]) => `${visible(name)} ${shown(value)}`).join(', ')]),
  ]
}

/** How much the upstream expects it to be, where it was asked. */
function expected(summary: JsonObject): string {
  const { estimate } = objectOf(summary[shown(objectOf(summary['context'])['plane'])])
  const { rows } = objectOf(estimate)
  if (estimate === null) return 'no estimate: it could not be told'
  return typeof rows === 'number'
    ? `about ${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'}, by the server's estimate`
    : ''
}

function insideOf(summary: JsonObject): string {
  const { transaction } = objectOf(summary['context'])
  return transaction === 'open' ? 'an open transaction, whose locks are held while it waits' : ''
}

function resource(value: JsonValue): readonly string[] {
  const { name, parts } = objectOf(value)
  const described = listOf(parts).map(part)
  return [`${shown(name)}${described.length === 0 ? '' : ':'}`, ...described.map((line) => `  ${line}`)]
}

function part(value: JsonValue): string {
  const { name, labels, uses, values } = objectOf(value)
  const marked = listOf(labels).length === 0 ? '' : ` [${shown(labels)}]`
  const isWritten = listOf(uses).includes('written')
  const becomes = isWritten ? ` becomes ${values === null ? 'what only the server can tell' : shown(values ?? [])}` : ''
  const others = listOf(uses).filter((use) => use !== 'written')
  return `${shown(name)}${marked}${becomes}${others.length === 0 ? '' : ` (${shown(others)})`}`
}

function mask(value: JsonValue): string {
  const { field, method } = objectOf(value)
  return `${shown(field)} by ${shown(method)}`
}

export function needs({ terms, answers }: ApprovalView): string {
  const given = answers.filter(({ answer }) => answer === 'approve').length
  const people = `${terms.quorum} ${terms.quorum === 1 ? 'person' : 'people'} of ${terms.approvers.map(visible).join(', ')}`
  return `${people}, ${given} so far${terms.reason_required ? '; a reason must be given' : ''}`
}

export function answerLine({ by, answer, reason, at }: ApprovalView['answers'][number]): string {
  const said = reason === null ? '' : `: ${visible(reason)}`
  return `${visible(by)} ${answer === 'approve' ? 'approved' : 'denied'} at ${at}${said}`
}

export function next(id: string, isReasonRequired: boolean): string {
  return `countersign approvals approve|deny ${visible(id)}${isReasonRequired ? ' --reason "…"' : ''}`
}

/** A labelled row; further lines and an empty label stand behind a bar, so that none of them looks like a row. */
export function row(label: string, lines: readonly string[]): readonly string[] {
  if (lines.every((line) => line === '')) return []
  return lines.map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${SEPARATOR}${visible(line)}`)
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return visible(value)
  if (isList(value)) return value.map(shown).join(', ')
  return visible(JSON.stringify(value))
}

/** Control and format characters (cursor, colours, right-to-left overrides, zero widths) as their code points. */
export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`)
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !isList(value) ? value : {}
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return isList(value) ? value : []
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}
