import { utc, visible, type Replay } from '../../../engine/replay/browser.ts'
import { h, section } from '../dom.ts'

/** Which requirements the session's decisions are evidence for. */
export function controls({ controls: uses }: Replay): HTMLElement {
  if (uses.length === 0)
    return section('controls', 'Controls', h('p', {}, 'No rule that decided here names a control.'))
  const rows = uses.map(({ id, rules, steps }) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, visible(id)),
      h('td', {}, rules.map(visible).join(', ')),
      h('td', {}, ...links(steps)),
    ),
  )
  return section(
    'controls',
    'Controls',
    h(
      'p',
      { class: 'muted' },
      'Requirements that these decisions are evidence for, as the rules name them. Evidence for a control is not compliance with it.',
    ),
    table(['Control', 'Named by rule', 'Steps'], rows),
  )
}

/** Who has looked at this session, or taken a copy of it, as the log knows. */
export function viewings({ viewings: all, erasures }: Replay): HTMLElement {
  const rows = [
    ...all.map(({ event, at, by, reason, record }) => [event, at, by, reason ?? '', record]),
    ...erasures.map(({ at, record, rule, reason }) => [
      'retention.applied',
      at,
      '',
      [rule, reason].filter((part) => part !== null).join(': '),
      record,
    ]),
  ].map(([event = '', at = '', by = '', reason = '', record = '']) =>
    h(
      'tr',
      {},
      h('td', {}, utc(at)),
      h('td', {}, event),
      h('td', {}, visible(by)),
      h('td', {}, visible(reason)),
      h('td', {}, h('code', {}, record)),
    ),
  )
  const none = 'Nobody, as far as this evidence reaches. A copy that was taken away tells of no one who reads it there.'
  return section(
    'viewings',
    'Who has looked',
    rows.length === 0 ? h('p', {}, none) : table(['When', 'Event', 'Who', 'Why', 'Record'], rows),
  )
}

function links(steps: readonly number[]): readonly (HTMLElement | string)[] {
  return steps.flatMap((number) => [h('a', { href: `#step-${number}` }, String(number)), ' '])
}

function table(heads: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  const head = h('tr', {}, ...heads.map((name) => h('th', { scope: 'col' }, name)))
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': heads.join(', ') },
    h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)),
  )
}
