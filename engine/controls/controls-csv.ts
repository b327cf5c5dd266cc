import { isByRuleOnly } from './control.ts'
import type { ControlReport, ControlSection } from './report.ts'

const COLUMNS = [
  'control',
  'framework',
  'title',
  'identifier',
  'document',
  'section',
  'exam_procedure',
  'strength',
  'certainty',
  'not_shown',
  'population',
  'named_by_rules',
  'population_basis',
  'first_leaf',
  'last_leaf',
  'gaps',
  'measure',
  'expected',
  'found',
  'state',
  'exceptions',
  'origin',
  'checkpoint_size',
  'checkpoint_root',
  'from',
  'to',
  'control_pack',
] as const

type Row = Readonly<Record<(typeof COLUMNS)[number], string | number>>

/** A row for each measure of each control: RFC 4180, CRLF, a header. */
export function controlsCsv(report: ControlReport): string {
  const rows = report.sections.flatMap((section) => [...rowsOf(section, report)])
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(','))
  return [COLUMNS.join(','), ...lines, ''].join('\r\n')
}

function* rowsOf({ control, population, measures }: ControlSection, report: ControlReport): Generator<Row> {
  const { log, period, completeness, pack } = report
  for (const { what, expectation, measured, state, exceptions } of measures) {
    yield {
      control: control.id,
      framework: control.framework,
      title: control.title,
      identifier:
        control.identifiers === 'ours' ? 'a label of ours; the document numbers nothing' : 'the document’s own',
      document: control.source.document,
      section: control.source.section,
      exam_procedure: control.source.examProcedure ?? '',
      strength: control.strength,
      certainty: control.certainty,
      not_shown: control.notShown ?? '',
      population: population.records,
      named_by_rules: population.namedByRules,
      population_basis: isByRuleOnly(control) ? 'rules' : 'events and rules',
      first_leaf: population.first ?? '',
      last_leaf: population.last ?? '',
      gaps: completeness.gaps,
      measure: what,
      expected: expectation,
      found: measured,
      state,
      exceptions: exceptions.listed.length + exceptions.omitted,
      origin: log.origin,
      checkpoint_size: log.size,
      checkpoint_root: log.root,
      from: period.from ?? '',
      to: period.to ?? '',
      control_pack: pack.digest,
    }
  }
}

/**
 * A spreadsheet takes a cell that begins with one of these for a formula, whatever quotes stand around it; an apostrophe
 * makes it text. What stands in a record may have been put there by the agent it is about.
 */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

function cell(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
