import {
  cellText,
  copiedLines,
  duration,
  holdState,
  keptOf,
  offset,
  outcomeOf,
  reasonLines,
  tagsOf,
  utc,
  VERDICTS,
  visible,
  visibleLines,
  writtenLines,
  type Answer,
  type Cell,
  type Hold,
  type Replay,
  type SessionCheck,
  type SessionSummary,
  type Step,
} from '../engine/replay/index.ts'
import { cells, wrapped } from './wrap.ts'

/**
 * A replay on a terminal. What stands in it was written by an agent that may want to be overlooked: every line of it is
 * behind a bar, and no character of it can move the cursor, hide, or pass for one of our own lines.
 */

type Tone = 'forward' | 'mask' | 'hold' | 'reject' | 'quiet' | 'strong'

/** Puts a tone on text that is clean already. */
export type Paint = (tone: Tone, text: string) => string

export const PLAIN: Paint = (_tone, text) => text

const SGR: Readonly<Record<Tone, number>> = { forward: 32, mask: 35, hold: 33, reject: 31, quiet: 2, strong: 1 }

export const COLOURED: Paint = (tone, text) => `\u001b[${SGR[tone]}m${text}\u001b[0m`

export interface TextOptions {
  readonly paint: Paint
  /** Of the terminal: a line that it would break stood without its bar in the second half. */
  readonly columns: number
  /** Rows of an answer, at most. */
  readonly rows: number
}

const BAR = '              │ '

/** Clean text, and the tone that all of it gets. */
type Line = string | { readonly tone: Tone; readonly text: string }

export function headLines(replay: Replay, options: TextOptions): readonly string[] {
  const { who, session, openedAt, closed, policies, steps } = replay
  const owner = who.owner === null ? '' : ` of ${visible(who.owner)}`
  const through = who.act.length === 0 ? '' : `, through ${who.act.map(visible).join(', ')}`
  const client = Object.entries(who.client).map(([name, value]) => `${visible(name)} ${visible(value)}`)
  const end = closed === null ? 'still open' : `closed ${utc(closed.at)} (${visible(closed.reason)})`
  const rules = policies.map(({ revision, digest, since }) => {
    const activated = since === null ? 'before this log' : utc(since)
    return `${visible(revision)}, bundle ${visible(digest.slice(0, 16))}…, in force since ${activated}`
  })
  return [
    options.paint('strong', `Session ${visible(session)}`),
    ...behind('who           │ ', [`${visible(who.id)}, ${visible(who.kind)}${owner}${through}`], options),
    ...behind(
      'from          │ ',
      [`${visible(who.source ?? 'unknown')} (${[visible(who.plane), ...client].join(', ')})`],
      options,
    ),
    ...behind('when          │ ', [`${openedAt === null ? 'begun before this log' : utc(openedAt)}, ${end}`], options),
    ...behind('rules         │ ', rules, options),
    ...behind(
      'alarms        │ ',
      replay.alarms.map(({ offsetMs, event, message }): Line => ({
        tone: 'reject',
        text: `${offset(offsetMs)}  ${visible(event)}: ${visible(message)}`,
      })),
      options,
    ),
    ...behind('holds         │ ', [`${steps.length} ${steps.length === 1 ? 'statement' : 'statements'}`], options),
    '',
  ]
}

/** One statement, with what came of it. */
export function stepLines(step: Step, options: TextOptions): readonly string[] {
  const { paint, columns } = options
  const { number, offsetMs, action, resources, verdict, statement, hold, answer } = step
  const names = resources.map(({ name }) => visible(name)).join(', ')
  const others = tagsOf(step).filter((tag) => tag !== 'rejected' && tag !== 'masked')
  const tags = others.length === 0 ? '' : ` (${others.join(', ')})`
  const place = `${offset(offsetMs).padEnd(11)} ${String(number).padStart(2)}  `
  const what = `${visible(action)}${names === '' ? '' : ` on ${names}`}`
  const fits = cells(`${place}${VERDICTS[verdict]}${tags}  ${what}`) <= columns
  return [
    `${place}${paint(verdict, VERDICTS[verdict])}${tags}${fits ? `  ${what}` : ''}`,
    ...behind(
      BAR,
      [
        ...(fits ? [] : [what]),
        ...(statement === null ? [] : visibleLines(statement)).map((text): Line => ({ tone: 'strong', text })),
        ...step.parameters.map((value, index) => `$${index + 1} = ${value === null ? 'NULL' : visible(value)}`),
        ...(step.parameters.length === 0 ? writtenLines(step) : []),
        ...reasonLines(step),
        ...(step.controls.length === 0 ? [] : [quiet(`controls ${step.controls.map(visible).join(', ')}`)]),
        ...(hold === null ? [] : holdLines(hold)).map((text): Line => ({ tone: 'hold', text })),
        ...(step.erased.length === 0 ? [] : ['what was sent has been erased by retention']),
        ...(answer === null ? [] : answerLines(answer, options)),
        [outcomeOf(step), ...timing(step)].join(', '),
      ],
      options,
    ),
    '',
  ]
}

/** Each line behind a bar of ours, the first behind the label; broken here, so that the terminal breaks none of them. */
function behind(label: string, lines: readonly Line[], { columns, paint }: TextOptions): readonly string[] {
  const broken = lines.flatMap((line) => {
    const { tone, text } = typeof line === 'string' ? { tone: null, text: line } : line
    const pieces = wrapped(text, Math.max(20, columns - BAR.length))
    return tone === null ? pieces : pieces.map((piece) => paint(tone, piece))
  })
  return broken.map((piece, index) => `${index === 0 ? label : BAR}${piece}`)
}

function quiet(text: string): Line {
  return { tone: 'quiet', text }
}

function timing({ decidedUs, outcome }: Step): readonly string[] {
  const took = outcome === null ? null : outcome.tookUs
  return [
    ...(decidedUs === null ? [] : [`decided in ${duration(decidedUs)}`]),
    ...(took === null ? [] : [`answered ${duration(took)} after that`]),
  ]
}

function holdLines(hold: Hold): readonly string[] {
  const people = `${hold.quorum} of ${hold.approvers.map(visible).join(', ')}`
  const answers = hold.answers.map(({ by, answer, reason, at }) => {
    const said = reason === null ? '' : `: ${visible(reason)}`
    return `${visible(by)} ${answer === 'approve' ? 'approved' : 'denied'} at ${utc(new Date(at).toISOString())}${said}`
  })
  return [`held for ${people}: ${holdState(hold)}`, ...answers]
}

const CELL_WIDTH = 32

/** An answer over HTTP, recorded as rows of status, headers and body, is read from top to bottom. */
function isExchange({ columns }: Answer): boolean {
  return columns.map(({ name }) => name).join(' ') === 'status headers body'
}

function textIn(cell: Cell | undefined): string {
  return cell?.kind === 'text' ? cell.text : cell?.kind === 'binary' ? cellText(cell) : ''
}

function exchangeLines(answer: Answer, { rows }: TextOptions): readonly Line[] {
  const [head] = answer.rows
  const [status, headers] = head ?? []
  const masks = [
    ...new Set(answer.columns.flatMap(({ name, mask }) => (mask === null ? [] : [`${name}: ${mask.method}`]))),
  ]
  const body = visibleLines(answer.rows.map(([, , cell]) => textIn(cell)).join(''))
  const kept = keptOf(answer)
  return [
    quiet(`HTTP ${visible(textIn(status))}${masks.length === 0 ? '' : ` (${masks.map(visible).join(', ')})`}`),
    ...visibleLines(textIn(headers)).map(quiet),
    ...body.slice(0, rows),
    ...(body.length > rows ? [`… ${body.length - rows} more lines (--rows)`] : []),
    ...(kept === null ? [] : [kept]),
  ]
}

function answerLines(answer: Answer, options: TextOptions): readonly Line[] {
  if (isExchange(answer)) return exchangeLines(answer, options)
  const { rows } = options
  const heads = answer.columns.map(({ name, mask }) => visible(mask === null ? name : `${name} (${mask.method})`))
  const all =
    heads.length === 0 ? copiedLines(answer).map((line) => [line]) : answer.rows.map((row) => row.map(cellText))
  const shown = all.slice(0, rows)
  const lines = heads.length === 0 ? shown.flat() : tableLines([heads, ...shown].map((row) => row.map(cut)))
  const more = all.length - shown.length
  const kept = keptOf(answer)
  return [
    ...lines.map((line, index) => (index === 0 && heads.length > 0 ? quiet(line) : line)),
    ...(more > 0 ? [`… ${more} more rows (--rows)`] : []),
    ...(kept === null ? [] : [kept]),
  ]
}

/** Rows side by side, each column as wide as its widest. */
function tableLines(table: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = []
  for (const row of table) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cells(cell))
  }
  const padded = (cell: string, column: number): string => `${cell}${' '.repeat((widths[column] ?? 0) - cells(cell))}`
  return table.map((row) => row.map(padded).join('  ').trimEnd())
}

function cut(text: string): string {
  return cells(text) <= CELL_WIDTH ? text : `${wrapped(text, CELL_WIDTH - 1)[0]}…`
}

const STATES: Readonly<Record<SessionCheck['state'], string>> = {
  ok: 'HOLDS: every line of this session is what the log says.',
  bad: 'DOES NOT HOLD: this evidence was changed.',
  unchecked: 'HOLDS AS FAR AS IT IS CHECKED.',
  absent: 'NOTHING TO CHECK.',
}

const MARKS: Readonly<Record<SessionCheck['state'], string>> = { ok: '✓', bad: '✗', unchecked: '?', absent: '·' }
const TONES: Readonly<Record<SessionCheck['state'], Tone>> = {
  ok: 'forward',
  bad: 'reject',
  unchecked: 'hold',
  absent: 'quiet',
}

export function endLines(
  replay: Replay,
  { state, checks, faults }: SessionCheck,
  options: TextOptions,
): readonly string[] {
  const { paint } = options
  const looked = replay.viewings.map(({ event, at, by, reason }) => {
    const why = reason === null ? '' : `: ${visible(reason)}`
    return `${utc(at)}  ${visible(event)} by ${visible(by)}${why}`
  })
  return [
    ...behind('looked at by  │ ', looked, options),
    ...checks.flatMap(({ name, state: how, found }) => {
      const [first = '', ...more] = behind(`${name.padEnd(12)}│ `, [visible(found)], options)
      return [`${paint(TONES[how], MARKS[how])} ${first}`, ...more]
    }),
    ...behind(
      'faults        │ ',
      [...faults].map(([leaf, fault]): Line => ({ tone: 'reject', text: `${leaf.slice(0, 16)}…  ${visible(fault)}` })),
      options,
    ),
    paint(TONES[state], STATES[state]),
  ]
}

/** Newest first, a line each. */
export function sessionTable(sessions: readonly SessionSummary[]): readonly string[] {
  const heads = ['SESSION', 'OPENED', 'WHO', 'STATEMENTS', 'REJECTED', 'MASKED', 'HELD', 'END']
  const rows = sessions.map((each) => [
    visible(each.session),
    utc(each.openedAt),
    `${visible(each.who)}${each.owner === null ? '' : ` (${visible(each.owner)})`}`,
    ...[each.statements, each.rejected, each.masked, each.held].map(String),
    each.closedAt === null ? 'open' : utc(each.closedAt),
  ])
  return tableLines([heads, ...rows])
}
