import type { StoredRecord } from '../evidence/index.ts'
import { isByRuleOnly, isCitable, type Control, type ControlPack } from './control.ts'
import { namedControls, PopulationCount } from './population.ts'
import type { TestsByRule } from './policy-tests.ts'
import { RECORDED_EVENTS } from './recorded-events.ts'
import type { PolicyRule } from './resolve.ts'

export interface CoveredRule {
  readonly id: string
  readonly verdict: string
  /** Tests that expect it to speak. */
  readonly tests: number
}

/**
 * What stands behind a control. `evidenced`: records speak to it. `none in the period`: its events or rules exist, and
 * nothing of them was recorded. `not recorded yet`: neither a rule nor an event that this version records.
 * `not looked for`: no evidence was given.
 */
export type Standing = 'evidenced' | 'none in the period' | 'not recorded yet' | 'not looked for'

export interface CoverageRow {
  readonly control: Control
  readonly rules: readonly CoveredRule[]
  readonly standing: Standing
  readonly records: number
  readonly decisions: number
  /** Of the records, those that cite it because a rule names it. */
  readonly namedByRules: number
  /** Events of its mapping that this version records, and those that it doesn't. */
  readonly recordedEvents: readonly string[]
  readonly missingEvents: readonly string[]
}

export interface CoverageInputs {
  readonly rules: readonly PolicyRule[]
  readonly tests: TestsByRule
  /** Null: the rows say that no evidence was looked at. */
  readonly records: AsyncIterable<StoredRecord> | null
  readonly from: string | null
  readonly to: string | null
}

/** Control → rules → tests → records seen, of every control that may be cited. One pass, in bounded memory. */
export async function coverage(pack: ControlPack, inputs: CoverageInputs): Promise<readonly CoverageRow[]> {
  const controls = [...pack.controls.values()].filter(isCitable)
  const counts = controls.map((control) => new PopulationCount(control))
  const { from, to, records } = inputs
  for await (const { record, fields, leaf, index } of records ?? []) {
    if (record.ts < (from ?? '') || record.ts >= (to ?? '~')) continue
    const seen = { record, fields, index: index ?? -1, inPeriod: true }
    const named = namedControls(seen)
    for (const count of counts) count.take(seen, leaf, named, '')
  }
  return controls.map((control, at) => rowOf(control, counts[at] ?? new PopulationCount(control), inputs))
}

function rowOf(control: Control, count: PopulationCount, { rules, tests, records }: CoverageInputs): CoverageRow {
  const { records: seen, byEvent, namedByRules } = count.result()
  const citing = rules.filter((rule) => rule.controls.includes(control.id))
  const recordedEvents = control.events.filter((event) => RECORDED_EVENTS.has(event))
  const decisions = Object.entries(byEvent).reduce(
    (sum, [event, n]) => (event.startsWith('decision.') ? sum + n : sum),
    0,
  )
  const possible = citing.length > 0 || (recordedEvents.length > 0 && !isByRuleOnly(control))
  return {
    control,
    rules: citing.map(({ id, verdict }) => ({ id, verdict, tests: tests.get(id)?.size ?? 0 })),
    standing:
      records === null
        ? 'not looked for'
        : seen > 0
          ? 'evidenced'
          : possible
            ? 'none in the period'
            : 'not recorded yet',
    records: seen,
    decisions,
    namedByRules,
    recordedEvents,
    missingEvents: control.events.filter((event) => !RECORDED_EVENTS.has(event)),
  }
}
