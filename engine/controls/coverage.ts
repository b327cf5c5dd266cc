import type { StoredRecord } from '../evidence/index.ts'
import { isByRuleOnly, isCitable, type Control, type ControlPack } from './control.ts'
import { namedControls, PopulationCount, type Population } from './population.ts'
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
  const behind = { ...inputs, looked: records !== null }
  return controls.map((control, at) => rowOf(control, (counts[at] ?? new PopulationCount(control)).result(), behind))
}

/** Records of one event behind the same rules, counted beforehand. */
export interface CountedEvent {
  readonly event: string
  /** Controls that the rules behind it named. */
  readonly named: readonly string[]
  readonly records: number
}

/** The same of records that somebody else has counted. */
export function coverageOf(
  controls: readonly Control[],
  { rules, tests, counted }: Pick<CoverageInputs, 'rules' | 'tests'> & { readonly counted: readonly CountedEvent[] },
): readonly CoverageRow[] {
  return controls.map((control) => {
    const events = new Set<string>(isByRuleOnly(control) ? [] : control.events)
    const byEvent: Record<string, number> = {}
    const seen = { records: 0, namedByRules: 0, byEvent }
    for (const { event, named, records } of counted) {
      const isNamed = named.includes(control.id)
      if (!isNamed && !events.has(event)) continue
      seen.records += records
      if (isNamed) seen.namedByRules += records
      byEvent[event] = (byEvent[event] ?? 0) + records
    }
    return rowOf(control, seen, { rules, tests, looked: true })
  })
}

interface Behind extends Pick<CoverageInputs, 'rules' | 'tests'> {
  /** Whether evidence was looked at. */
  readonly looked: boolean
}

function rowOf(
  control: Control,
  { records: seen, byEvent, namedByRules }: Pick<Population, 'records' | 'byEvent' | 'namedByRules'>,
  { rules, tests, looked }: Behind,
): CoverageRow {
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
    standing: !looked
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
