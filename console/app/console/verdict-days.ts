import { h } from '../dom.ts'
import { textOf } from './api.ts'
import { numberOf } from './decision.ts'
import { card, number, verdictChip } from './parts.ts'

const VERDICTS = ['forward', 'mask', 'hold', 'reject'] as const

/** Decisions by day and verdict, as numbers in a table: few enough to be read. */
export function verdictDays(rows: readonly Readonly<Record<string, unknown>>[]): HTMLElement {
  const days = new Map<string, Map<string, number>>()
  for (const row of rows) {
    const day = textOf(row['day'])
    const counts = days.get(day) ?? new Map<string, number>()
    days.set(day, counts.set(textOf(row['verdict']), numberOf(row['records']) ?? 0))
  }
  if (days.size === 0) return card('Decisions by day', h('p', { class: 'muted' }, 'None in the last two weeks.'))
  const head = h(
    'tr',
    {},
    h('th', { scope: 'col' }, 'Day'),
    ...VERDICTS.map((verdict) => h('th', { scope: 'col' }, verdictChip(verdict))),
  )
  const body = [...days]
    .toReversed()
    .map(([day, counts]) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row' }, day),
        ...VERDICTS.map((verdict) => h('td', {}, number(counts.get(verdict) ?? 0))),
      ),
    )
  return card(
    'Decisions by day',
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Decisions by day' },
      h('table', { class: 'counts' }, h('thead', {}, head), h('tbody', {}, ...body)),
    ),
  )
}
