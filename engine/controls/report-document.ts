import { CERTAINTY, isByRuleOnly, type Control } from './control.ts'
import { amount, plural, type Exception, type MeasureResult } from './measure.ts'
import type { ApprovalAccount } from './in-force.ts'
import { RECORDED_EVENTS } from './recorded-events.ts'
import { countAgain, explainOne, makeAgain, verifyCommand, verifyLog } from './report-commands.ts'
import type { ControlReport, ControlSection, Proved } from './report.ts'

export interface Column {
  readonly title: string
  /** Of the table's width, beside the other columns' shares. */
  readonly share: number
  readonly as: 'text' | 'number' | 'code'
}

/** What a report says, in the order in which it is read: HTML and PDF are two ways to print the same. */
export type Block =
  | { readonly kind: 'heading'; readonly level: 1 | 2 | 3; readonly text: string; readonly anchor: string | null }
  | { readonly kind: 'text'; readonly text: string; readonly tone: 'plain' | 'note' | 'alert' }
  | { readonly kind: 'facts'; readonly rows: Facts }
  | {
      readonly kind: 'table'
      readonly caption: string
      readonly columns: readonly Column[]
      readonly rows: readonly (readonly string[])[]
      /** Of the page, for a table that would be hard to follow across all of it. */
      readonly narrow: boolean
    }
  | { readonly kind: 'commands'; readonly lines: readonly string[] }
  | { readonly kind: 'proofs'; readonly items: readonly Proved[] }
  /** What follows begins a page. */
  | { readonly kind: 'page' }

export interface ReportDocument {
  readonly title: string
  /** At the foot of every page. */
  readonly foot: string
  readonly blocks: readonly Block[]
}

type Facts = readonly (readonly [name: string, text: string])[]

/** A report in words. */
export function reportDocument(report: ControlReport): ReportDocument {
  const [only, ...more] = report.sections
  const single = only !== undefined && more.length === 0
  const title = single ? `Evidence for ${only.control.id}, ${only.control.title}` : 'Evidence by control'
  const { origin, size, root } = report.log
  return {
    title,
    foot: `${origin}, ${amount(size)} records, root ${root.slice(0, 16)}…`,
    blocks: [
      heading(1, title, 'top'),
      ...(single ? singleBlocks(only, report) : allBlocks(report)),
      ...proofBlocks(report.sections),
    ],
  }
}

function* singleBlocks(section: ControlSection, report: ControlReport): Generator<Block> {
  yield* preface(report)
  yield heading(2, 'At a glance', 'glance')
  yield { kind: 'facts', rows: glance(section, report) }
  yield heading(2, 'The control', section.control.id)
  yield* controlBlocks(section.control)
  yield* findingBlocks(section, report)
  yield* checkBlocks([...verifyLog(report), ...explainOne(section, report), ...makeAgain(section.control.id, report)])
  yield* logBlocks(report)
}

function* allBlocks(report: ControlReport): Generator<Block> {
  yield* preface(report)
  yield* overview(report)
  yield* checkBlocks([...verifyLog(report), ...makeAgain(null, report)])
  yield* logBlocks(report)
  for (const section of report.sections) {
    const { control } = section
    yield { kind: 'page' }
    yield heading(2, `${control.id}, ${control.title}`, control.id)
    yield* controlBlocks(control)
    yield heading(3, 'At a glance', null)
    yield { kind: 'facts', rows: glance(section, report) }
    yield* findingBlocks(section, report)
    yield* checkBlocks([...explainOne(section, report), ...makeAgain(control.id, report)])
  }
}

function* preface(report: ControlReport): Generator<Block> {
  yield { kind: 'facts', rows: [...aboutLog(report), ...aboutPack(report)] }
  yield note(
    'This report says what records show; whether a control is met is for an examiner to say. “As expected” means that the records have no exception to an expectation, and nothing beyond it. Times are UTC. EVIDENCE stands for the directory, or your copy of it.',
  )
}

function glance({ population, measures, sample }: ControlSection, { log }: ControlReport): Facts {
  const { records, first, last } = population
  const range = first === null ? '' : `, leaves ${amount(first)} to ${amount(last ?? first)}`
  const of = (state: MeasureResult['state']): number => measures.filter((each) => each.state === state).length
  const exceptions = exceptionCount(measures)
  const told = (['as expected', 'exceptions', 'listed', 'nothing to measure', 'not measurable'] as const)
    .filter((state) => of(state) > 0)
    .map((state) => `${of(state)} ${state === 'exceptions' ? 'with exceptions' : state}`)
  return [
    ['Population', `${plural(records, 'record')}${range}`],
    [
      'Missing records',
      `none: leaves 0 to ${amount(log.size - 1)} read, gaps 0, root of what was read = root of the checkpoint`,
    ],
    ['Measures', told.join(', ')],
    ['Exceptions', exceptions === 0 ? 'none' : `${amount(exceptions)}, one by one below`],
    [
      'Sample',
      sample.length === 0 ? 'the population is empty' : `${plural(sample.length, 'record')}, each with its proof`,
    ],
    ['To check all of it', verifyCommand],
  ]
}

function* checkBlocks(lines: readonly string[]): Generator<Block> {
  yield heading(3, 'How to check this', null)
  yield text('Offline, on a copy of the directory, with the log’s public key from whoever keeps it for you:')
  yield { kind: 'commands', lines }
}

function* findingBlocks(section: ControlSection, report: ControlReport): Generator<Block> {
  yield* populationBlocks(section, report)
  yield* measureBlocks(section)
  yield* exceptionBlocks(section)
  yield* sampleBlocks(section)
  yield* authorityBlocks(section)
}

function* logBlocks(report: ControlReport): Generator<Block> {
  yield heading(2, 'Which rules were in force?', 'policies')
  const { listed, omitted } = report.policies
  yield table(
    'Policy revisions put in force in the period, and the last one before it',
    POLICIES,
    listed.map(({ revision, digest, pack, ts, index, beforePeriod }) => [
      revision,
      digest,
      pack ?? 'not told',
      beforePeriod ? `${when(ts)} (before the period)` : when(ts),
      String(index),
    ]),
  )
  yield* more(omitted, 'activations')
  yield heading(2, 'Is anything missing?', 'completeness')
  yield text(completeness(report))
  yield note(
    'What this can’t show: the holder of the log’s key could have written another log from the start. That shows against a checkpoint that was kept elsewhere, or that a witness cosigned (countersign evidence verify --help).',
  )
  const writers = report.completeness.writers.map(({ writer, firstSeq, lastSeq, gaps }) => [
    writer,
    `${amount(firstSeq)} to ${amount(lastSeq)}`,
    String(gaps),
  ])
  yield table('Runs of the gateway in this log', WRITERS, writers)
}

const WRITERS: readonly Column[] = [
  { title: 'Run', share: 6, as: 'code' },
  { title: 'Its records', share: 3, as: 'text' },
  { title: 'Gaps', share: 1, as: 'number' },
]
const POLICIES: readonly Column[] = [
  { title: 'Revision', share: 4, as: 'code' },
  { title: 'Digest', share: 4.2, as: 'code' },
  { title: 'Control pack', share: 1.3, as: 'text' },
  { title: 'In force since', share: 3, as: 'text' },
  { title: 'Leaf', share: 1, as: 'number' },
]

function aboutLog({ log, period, span }: ControlReport): Facts {
  const from = period.from === null ? 'the first record' : when(period.from)
  const times = `${from} to ${period.to === null ? 'the last record' : `before ${when(period.to)}`}`
  const last = span.first === null ? 'no record' : `${plural(span.records, 'record')}, ${when(span.first)} to`
  const seen = span.last === null ? last : `${last} ${when(span.last)}`
  return [
    ['Log', log.origin],
    ['Checkpoint', `${amount(log.size)} records, root ${log.root}`],
    ['Period', times],
    ['In the period', seen],
  ]
}

function aboutPack({ pack, sections }: ControlReport): Facts {
  const others = Object.entries(pack.others).map(
    ([digest, records]) =>
      `${amount(records)} records were made ${digest === '' ? 'without a pack' : `under pack ${digest}`} and are mapped anew`,
  )
  const shown = new Set(sections.map(({ control }) => control.id))
  const left = pack.uncertain.filter((id) => !shown.has(id))
  const out = left.length === 0 ? [] : [`${left.join(' and ')} left out: known from memory alone`]
  const withdrawn = `${pack.withdrawn} ids of withdrawn frameworks are cited nowhere`
  return [['Control pack', [`version ${pack.version}, digest ${pack.digest}`, ...others, ...out, withdrawn].join('; ')]]
}

function completeness({ completeness: { records, gaps, writers, uncovered }, log }: ControlReport): string {
  const beyond =
    uncovered === 0
      ? ''
      : ` ${amount(uncovered)} newer records in the directory are not covered by this checkpoint and not in this report.`
  return `For this report every record of the log was read: leaves 0 to ${amount(records - 1)}, each once, gaps: ${gaps}; ${plural(writers.length, 'run')} of the gateway, gaps in their sequences: 0. The tree over what was read has the root ${log.root}, which is the checkpoint’s. So no record was left out, taken away, changed or added after that checkpoint was signed.${beyond}`
}

const OVERVIEW: readonly Column[] = [
  { title: 'Control', share: 2.6, as: 'text' },
  { title: 'Title', share: 4.6, as: 'text' },
  { title: 'Strength', share: 1.5, as: 'text' },
  { title: 'Certainty', share: 1.2, as: 'text' },
  { title: 'Records', share: 1.2, as: 'number' },
  { title: 'Exceptions', share: 1.4, as: 'number' },
  { title: 'Not measurable', share: 1.5, as: 'number' },
]

function* overview({ sections }: ControlReport): Generator<Block> {
  yield heading(2, 'Controls in this report', 'controls')
  const rows = sections.map(({ control, population, measures }) => [
    control.id,
    control.title,
    control.strength,
    control.certainty,
    amount(population.records),
    amount(exceptionCount(measures)),
    String(measures.filter(({ state }) => state === 'not measurable').length),
  ])
  yield table('Each has a section of its own below', OVERVIEW, rows)
}

function exceptionCount(measures: readonly MeasureResult[]): number {
  return measures.reduce((sum, { exceptions }) => sum + exceptions.listed.length + exceptions.omitted, 0)
}

const SHOWN: Readonly<Record<Control['strength'], string>> = {
  direct: 'The records evidence this control directly.',
  partial: 'The records evidence a part of this control.',
  supporting: 'The records support evidence of this control that is kept elsewhere.',
}

function* controlBlocks(control: Control): Generator<Block> {
  const { source, framework, identifiers, paraphrase, certainty, certaintyNote, notShown } = control
  const procedure = source.examProcedure === null ? '' : `; examination procedure ${source.examProcedure}`
  const label = identifiers === 'ours' ? '. The document numbers nothing: this id is a label of ours' : ''
  yield {
    kind: 'facts',
    rows: [
      ['Identifier', `${control.id} (${framework})${label}`],
      ['Source', `${source.document}, ${source.section}${procedure}`],
      ['What it asks', paraphrase ?? 'Its wording is licensed, and not repeated here.'],
      ['Certainty', `${certainty}: ${CERTAINTY[certainty]}${certaintyNote === null ? '' : `. ${certaintyNote}`}`],
      ['What is shown', SHOWN[control.strength]],
      ['What is not shown', notShown ?? 'The framework was withdrawn; nothing is claimed under it.'],
    ],
  }
}

function* populationBlocks({ control, population }: ControlSection, report: ControlReport): Generator<Block> {
  const { records, byEvent, first, last, namedByRules } = population
  yield heading(3, 'Population, and that it is complete', null)
  const range = first === null ? '' : `, leaves ${amount(first)} to ${amount(last ?? first)} of the log`
  const basis = isByRuleOnly(control)
    ? 'records whose rules name this control. Its circumstance (a test environment, a provider’s staff) is told by no event, so events alone count nothing here'
    : `records of the events below, and those whose rules name this control (${amount(namedByRules)} do)`
  yield text(
    `${amount(records)} records${range}: ${basis}. Gaps between leaves 0 and ${amount(report.log.size - 1)}: 0.`,
  )
  const mapped = control.events.filter((event) => RECORDED_EVENTS.has(event))
  const rows = [...new Set<string>([...mapped, ...Object.keys(byEvent)])].map((event) => [
    event,
    amount(byEvent[event] ?? 0),
  ])
  if (rows.length > 0)
    yield table(
      'Records by event',
      EVENTS,
      isByRuleOnly(control) ? rows.filter(([event = '']) => byEvent[event] !== undefined) : rows,
    )
  const missing = control.events.filter((event) => !RECORDED_EVENTS.has(event))
  if (missing.length > 0) {
    yield note(
      `The mapping also names ${missing.join(', ')}: this version of the gateway records no such event, so their absence says nothing.`,
    )
  }
  yield text('To count it again:')
  yield { kind: 'commands', lines: countAgain(control, report) }
}

const EVENTS: readonly Column[] = [
  { title: 'Event', share: 3, as: 'code' },
  { title: 'Records', share: 1, as: 'number' },
]

const MEASURE_COLUMNS: readonly Column[] = [
  { title: 'What is measured', share: 4, as: 'text' },
  { title: 'Expected', share: 1.5, as: 'text' },
  { title: 'Found', share: 3.5, as: 'text' },
  { title: 'So', share: 1.6, as: 'text' },
]

function* measureBlocks({ control, measures }: ControlSection): Generator<Block> {
  yield heading(3, 'Measured against what is expected', null)
  yield text(`The mapping’s metric: ${control.metric ?? 'none is named for it'}.`)
  const rows = measures.map(({ what, expectation, measured, state }) => [what, expectation, measured, state])
  yield table('Measures', MEASURE_COLUMNS, rows)
  for (const { what, breakdown } of measures) {
    if (breakdown === null || breakdown.rows.length === 0) continue
    const columns = breakdown.columns.map((title, at): Column => {
      const numeric = breakdown.rows.every((row) => /^[\d,]+$/.test(row[at] ?? ''))
      return { title, share: at === 0 ? 3 : numeric ? 1.2 : 2, as: numeric ? 'number' : 'text' }
    })
    yield table(what, columns, breakdown.rows)
    yield* more(breakdown.omitted, 'rows')
  }
}

const EXCEPTIONS: readonly Column[] = [
  { title: 'Leaf', share: 1, as: 'number' },
  { title: 'Time', share: 2.7, as: 'text' },
  { title: 'What', share: 5, as: 'text' },
  { title: 'Record', share: 3.6, as: 'code' },
]

function* exceptionBlocks({ measures }: ControlSection): Generator<Block> {
  yield heading(3, 'Exceptions, one by one', null)
  const found = measures.filter(({ exceptions }) => exceptions.listed.length > 0)
  if (found.length === 0) {
    yield text('None: no record of the period is an exception to a measure above.')
    return
  }
  for (const { what, exceptions } of found) {
    yield table(`Not so: ${what}`, EXCEPTIONS, exceptions.listed.map(exceptionRow))
    yield* more(exceptions.omitted, 'exceptions')
  }
}

function exceptionRow({ index, ts, what, record }: Exception): readonly string[] {
  return [String(index), when(ts), what, record]
}

const SAMPLED: readonly Column[] = [
  { title: 'Leaf', share: 0.9, as: 'number' },
  { title: 'Time', share: 2.3, as: 'text' },
  { title: 'Event', share: 1.7, as: 'text' },
  { title: 'Who', share: 1.3, as: 'text' },
  { title: 'Action', share: 1.6, as: 'text' },
  { title: 'Rule', share: 2, as: 'text' },
  { title: 'Draw', share: 1.2, as: 'code' },
]

function* sampleBlocks({ sample, population }: ControlSection): Generator<Block> {
  yield heading(3, 'A sample', null)
  if (sample.length === 0) {
    yield text('The population is empty.')
    return
  }
  const all = sample.length === population.records
  yield text(
    `${all ? 'The whole population' : `${sample.length} of ${amount(population.records)} records`}: those with the smallest draw, SHA-256 over the checkpoint’s root and the record’s leaf hash. Nobody could choose them, and anybody can draw them again. The proof that each is in the log is at the end of this report.`,
  )
  const rows = sample.map(({ index, ts, event, principal, action, rules, draw }) => [
    String(index),
    when(ts),
    event,
    principal ?? '',
    action ?? '',
    rules.join(', '),
    draw.slice(0, 12),
  ])
  yield table('Sample', SAMPLED, rows)
}

const USES: readonly Column[] = [
  { title: 'Revision', share: 4, as: 'code' },
  { title: 'Digest', share: 5, as: 'code' },
  { title: 'Decisions of this population', share: 2, as: 'number' },
]
const APPROVALS: readonly Column[] = [
  { title: 'Approval', share: 2.4, as: 'code' },
  { title: 'Rule', share: 1.6, as: 'text' },
  { title: 'Asked by (owner)', share: 1.8, as: 'text' },
  { title: 'Answers', share: 4, as: 'text' },
  { title: 'State', share: 1.1, as: 'text' },
  { title: 'Leaves', share: 1.3, as: 'text' },
]

function* authorityBlocks({ population, approvals }: ControlSection): Generator<Block> {
  yield heading(3, 'Rules and approvals behind it', null)
  const uses = population.policies.map(({ revision, digest, decisions }) => [revision, digest, amount(decisions)])
  if (uses.length > 0) yield table('Policy revisions that its decisions were made under', USES, uses)
  else yield text('No decision is in this population.')
  if (approvals.length > 0) yield table('Approvals that its records name', APPROVALS, approvals.map(approvalRow))
  else yield text('Its records name no approval.')
}

function approvalRow({
  id,
  rule,
  requester,
  owner,
  quorum,
  answers,
  state,
  records,
}: ApprovalAccount): readonly string[] {
  const said = answers.map(
    ({ by, answer, reason, at }) => `${by}: ${answer}, ${when(at)}${reason === null ? '' : `, “${reason}”`}`,
  )
  const needed = quorum === null ? '' : `${quorum} needed. `
  return [id, rule, `${requester} (${owner ?? 'no owner'})`, `${needed}${said.join('; ')}`, state, records.join(', ')]
}

function* proofBlocks(sections: readonly ControlSection[]): Generator<Block> {
  const proved = new Map(sections.flatMap(({ sample }) => sample.map((each) => [each.index, each])))
  if (proved.size === 0) return
  yield { kind: 'page' }
  yield heading(2, 'Proofs that the sampled records are in the log', 'proofs')
  yield text(
    'RFC 6962 inclusion proofs: each leaf hash, combined with the hashes under it from the first on (RFC 9162, 2.1.3.2), gives the checkpoint’s root. They were checked when this report was made.',
  )
  yield { kind: 'proofs', items: [...proved.values()].toSorted((one, other) => one.index - other.index) }
}

function* more(omitted: number, what: string): Generator<Block> {
  if (omitted > 0) yield note(`And ${amount(omitted)} more ${what}, which are counted above and not listed.`)
}

/** A time of a record, without the letters that a table has no room for. */
function when(ts: string): string {
  return ts.replace('T', ' ').replace(/Z$/, '')
}

function heading(level: 1 | 2 | 3, text: string, anchor: string | null): Block {
  return { kind: 'heading', level, text, anchor }
}

function text(text: string): Block {
  return { kind: 'text', text, tone: 'plain' }
}

function note(text: string): Block {
  return { kind: 'text', text, tone: 'note' }
}

function table(caption: string, columns: readonly Column[], rows: readonly (readonly string[])[]): Block {
  const narrow = columns.length <= 3 && columns.slice(1).every(({ as }) => as === 'number')
  return { kind: 'table', caption, columns, rows, narrow }
}
