import {
  cellText,
  copiedLines,
  keptOf,
  visible,
  type Answer,
  type Cell,
  type Column,
} from '../../../engine/replay/browser.ts'
import { maskChip } from './chips.ts'
import { button, digest, h } from '../dom.ts'

/** Rows at first sight. */
const AT_FIRST = 12

/** The rows as the agent saw them; null for an answer without columns and rows. */
export function answerTable(answer: Answer): HTMLElement | null {
  const { rows, columns, erased } = answer
  if (columns.length === 0 && rows.length === 0 && erased.length === 0) return null
  if (columns.length === 0 && rows.length > 0) {
    const lines = copiedLines(answer).join('\n')
    return h(
      'div',
      { class: 'answer' },
      h('pre', { class: 'statement copied', tabindex: '0' }, h('code', {}, lines)),
      note(answer),
    )
  }
  const body = h('tbody', {}, ...rows.slice(0, AT_FIRST).map((row) => tableRow(row, columns)))
  const table = h('table', {}, head(columns), body)
  const frame = h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Rows as the agent saw them' },
    table,
  )
  const parts = [columns.length + rows.length === 0 ? null : frame, more(rows, columns, body), note(answer)]
  return h('div', { class: 'answer' }, ...parts)
}

function head(columns: readonly Column[]): HTMLElement {
  const cells = columns.map(({ name, mask }) =>
    h(
      'th',
      { scope: 'col', class: mask === null ? null : 'masked', title: mask?.field ?? null },
      h('span', {}, visible(name)),
      mask === null ? null : maskChip(mask.method),
    ),
  )
  return h('thead', {}, h('tr', {}, ...cells))
}

function tableRow(row: readonly Cell[], columns: readonly Column[]): HTMLElement {
  return h(
    'tr',
    {},
    ...row.map((cell, index) => {
      const masked = (columns[index]?.mask ?? null) === null ? '' : 'masked'
      const kind = cell.kind === 'text' ? '' : 'none'
      return h('td', { class: `${masked} ${kind}`.trim() || null }, cellText(cell))
    }),
  )
}

function more(rows: Answer['rows'], columns: readonly Column[], body: HTMLElement): HTMLElement | null {
  if (rows.length <= AT_FIRST) return null
  const show = button(`Show all ${rows.length} rows`, () => {
    body.append(...rows.slice(AT_FIRST).map((row) => tableRow(row, columns)))
    show.remove()
  })
  return show
}

function note(answer: Answer): HTMLElement | null {
  const kept = keptOf(answer)
  if (kept === null || answer.digest === null) return kept === null ? null : h('p', { class: 'muted' }, kept)
  return h('p', { class: 'muted' }, `${kept}: `, digest(answer.digest))
}
