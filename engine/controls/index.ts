/** Controls: which framework requirement a record evidences, and reports that an examiner can check. */
export {
  CERTAINTY,
  isByRuleOnly,
  isCitable,
  type Certainty,
  type Control,
  type ControlPack,
  type Strength,
} from './control.ts'
export { coverage, type CoverageRow } from './coverage.ts'
export { controlsCsv } from './controls-csv.ts'
export { loadControlPack, SHIPPED_CONTROLS } from './mapping.ts'
export { selfTestsOf, testsIn, type TestsByRule } from './policy-tests.ts'
export { RECORDED_EVENTS } from './recorded-events.ts'
export { reportHtml } from './report-html.ts'
export { reportPdf } from './report-pdf.ts'
export { controlReport, type ControlReport, type ControlSection, type ReportScope } from './report.ts'
export { ControlResolver, requireControls, rulesOf, type PolicyRule } from './resolve.ts'
