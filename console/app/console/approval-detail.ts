import { visible } from '../../../engine/replay/browser.ts'
import { h, terms } from '../dom.ts'
import type { Approval, Part, Resource } from './approval.ts'
import { ago, plural, sentence, standing, standingOf, wanted, who } from './wording.ts'

/** All that a person needs to answer one hold: what will happen, to what, asked by whom and why it waits. */
export function approvalDetail(approval: Approval, others: readonly Approval[], answer: HTMLElement): HTMLElement {
  return h(
    'article',
    { class: `approval ${approval.state}`, 'aria-labelledby': 'wanted' },
    head(approval),
    asked(approval),
    approval.grant === null ? written(approval.resources) : null,
    because(approval),
    answer,
    h(
      'div',
      { class: 'facts' },
      statement(approval),
      touched(approval.resources),
      hidden(approval),
      history(approval, others),
      said(approval),
      traces(approval),
    ),
  )
}

function head(approval: Approval): HTMLElement {
  const { requester, state, expiresAt, quorum } = approval
  const yes = approval.answers.filter(({ approved }) => approved).length
  return h(
    'header',
    {},
    h(
      'p',
      { class: 'standing' },
      h('span', { class: `chip ${state}` }, standingOf(approval)),
      state === 'requested' ? h('span', { class: 'left', 'data-until': String(expiresAt) }) : null,
      quorum > 1 ? h('span', { class: 'quorum' }, `${yes} of ${quorum} people`) : null,
    ),
    h('h1', { id: 'wanted', tabindex: '-1' }, wanted(approval)),
    h(
      'p',
      { class: 'who' },
      h('strong', {}, who(approval)),
      ` · ${visible(requester.kind)}${requester.owner === '' ? '' : ` of ${visible(requester.owner)}`} · asked ${ago(approval.requestedAt, Date.now())}`,
    ),
  )
}

/** What a grant lets through, large: it is what the answer is about. */
function asked({ grant }: Approval): HTMLElement | null {
  if (grant === null) return null
  const { plane, actions, resources, seconds, reason, breakGlass } = grant
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, breakGlass ? 'Break-glass access' : 'Access that is asked for'),
    terms([
      ['for', sentence(visible(reason))],
      ['plane', visible(plane)],
      ['actions', actions.map(visible).join(', ')],
      ['resources', resources.map(visible).join(', ')],
      ['how long', `${Math.round(seconds / 60)} minutes from the answer`],
    ]),
  )
}

/** What will be written, large: it is what the answer is about. */
function written(resources: readonly Resource[]): HTMLElement | null {
  const rows = resources.flatMap(({ name, parts }) =>
    parts.filter(({ uses }) => uses.includes('written')).map((part) => ({ name, part })),
  )
  if (rows.length === 0) return null
  return h(
    'table',
    { class: 'written' },
    h('caption', {}, 'What will be written'),
    h(
      'tbody',
      {},
      ...rows.map(({ part }) =>
        h('tr', {}, h('th', { scope: 'row' }, visible(part.name), labels(part)), valueCell(part)),
      ),
    ),
  )
}

function valueCell({ values }: Part): HTMLElement {
  if (values === null) return h('td', { class: 'unknown' }, 'known only to the server')
  if (values.length === 1) return h('td', {}, h('code', {}, visible(values[0] ?? '')))
  const shown = values.slice(0, 20).map((value) => h('li', {}, h('code', {}, visible(value))))
  const more = values.length > 20 ? h('li', {}, `and ${values.length - 20} more`) : null
  return h('td', {}, h('ul', { class: 'plain' }, ...shown, more))
}

function labels({ labels: all }: Part): HTMLElement | null {
  return all.length === 0
    ? null
    : h('span', { class: 'labels' }, ...all.map((label) => h('span', { class: 'label' }, visible(label))))
}

function because({ message, rule, estimate, transaction }: Approval): HTMLElement {
  return h(
    'section',
    { class: 'because', 'aria-labelledby': 'because-h' },
    h('h2', { id: 'because-h' }, 'Why it waits'),
    h('p', {}, sentence(visible(message))),
    terms([
      ['rule', h('code', {}, visible(rule))],
      ['rows', estimate === null ? null : `about ${estimate.toLocaleString('en')}, by the server’s own estimate`],
      ['transaction', transaction === 'open' ? 'open: its locks are held while it waits' : null],
    ]),
  )
}

function statement({ statement: sql, parameters }: Approval): HTMLElement | null {
  if (sql === '') return null
  const values = parameters.map((value, index) =>
    h('li', {}, h('code', {}, `$${index + 1} = ${value === null ? 'NULL or not shown' : visible(value)}`)),
  )
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Statement'),
    h('pre', { tabindex: '0' }, h('code', {}, sql.split('\n').map(visible).join('\n'))),
    values.length === 0 ? null : h('ul', { class: 'plain values' }, ...values),
  )
}

function touched(resources: readonly Resource[]): HTMLElement | null {
  if (resources.length === 0) return null
  const rows = resources.flatMap(({ name, parts }) =>
    parts.length === 0 ? [touchedRow(name, null)] : parts.map((part) => touchedRow(name, part)),
  )
  return h('section', { class: 'card' }, h('h2', {}, 'Tables and columns'), h('table', {}, h('tbody', {}, ...rows)))
}

function touchedRow(name: string, part: Part | null): HTMLElement {
  const place = part === null ? visible(name) : `${visible(name)}.${visible(part.name)}`
  return h(
    'tr',
    {},
    h('td', {}, h('code', {}, place), part === null ? null : labels(part)),
    h('td', {}, part === null ? 'named' : part.uses.map(visible).join(', ')),
  )
}

function hidden({ masks }: Approval): HTMLElement | null {
  if (masks.length === 0) return null
  const items = masks.map(({ field, method }) => h('li', {}, h('code', {}, visible(field)), ` by ${visible(method)}`))
  return h('section', { class: 'card' }, h('h2', {}, 'Hidden from the answer'), h('ul', { class: 'plain' }, ...items))
}

/** Whether this is asked for all the time, and what was said to it. */
function history(approval: Approval, others: readonly Approval[]): HTMLElement {
  const alike = others.filter(
    ({ id, requester, statement: sql }) =>
      id !== approval.id && requester.id === approval.requester.id && sql === approval.statement,
  )
  if (alike.length === 0) {
    return h(
      'section',
      { class: 'card' },
      h('h2', {}, 'Others like it'),
      h('p', {}, 'The first of its kind by this requester, as far as this list goes.'),
    )
  }
  const items = alike
    .slice(0, 5)
    .map((each) =>
      h(
        'li',
        {},
        h('a', { href: `/console/approvals/${each.id}` }, ago(each.requestedAt, Date.now())),
        ` · ${standing(each.state)}${each.answers.length === 0 ? '' : ` · ${each.answers.map(({ by }) => visible(by)).join(', ')}`}`,
      ),
    )
  return h('section', { class: 'card' }, h('h2', {}, 'Others like it'), h('ul', { class: 'plain' }, ...items))
}

function said({ answers, approvers, quorum }: Approval): HTMLElement {
  const items = answers.map(({ by, approved, reason, at }) =>
    h(
      'li',
      {},
      h('strong', {}, visible(by)),
      approved ? ' approved ' : ' denied ',
      ago(at, Date.now()),
      reason === '' ? null : h('q', {}, visible(reason)),
    ),
  )
  const asked = `${plural(quorum, 'person', 'people')} of ${approvers.map(visible).join(', ')}`
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Answers'),
    h('p', { class: 'muted' }, `Needs ${asked}.`),
    h('ul', { class: 'plain' }, ...items),
  )
}

function traces({ traces: all }: Approval): HTMLElement {
  const shown = all.map(([name, value]) => [name, h('code', {}, visible(value))] as const)
  return h('details', { class: 'card' }, h('summary', {}, 'Where to find it in evidence'), terms(shown))
}
