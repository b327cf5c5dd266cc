import { VERDICTS, visible, type Step, type Tag } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'

/** A verdict is a word and a shape, never a colour alone. */
export function verdictChip(verdict: Step['verdict']): HTMLElement {
  return h(
    'span',
    { class: `chip ${verdict}` },
    h('span', { class: 'shape', 'aria-hidden': 'true' }),
    VERDICTS[verdict],
  )
}

const KINDS: Readonly<Record<Exclude<Tag, 'rejected' | 'masked'>, string>> = {
  held: 'hold',
  approved: 'forward',
  failed: 'reject',
  'in doubt': 'reject',
}

export function tagChip(tag: Exclude<Tag, 'rejected' | 'masked'>): HTMLElement {
  return h('span', { class: `chip quiet ${KINDS[tag]}` }, tag)
}

export function maskChip(method: string): HTMLElement {
  return h('span', { class: 'chip small mask' }, visible(method))
}
