import {
  duration,
  holdState,
  offset,
  outcomeOf,
  tagsOf,
  utc,
  visible,
  visibleLines,
  writtenLines,
  type Hold,
  type Replay,
  type Step,
} from '../../../engine/replay/browser.ts'
import { answerText, waited } from './about.ts'
import { answerTable } from './answer-table.ts'
import { maskChip, tagChip, verdictChip } from './chips.ts'
import { digest, h } from '../dom.ts'

/** What went wrong beside the statements: an answer that couldn't be masked with certainty was withheld. */
export function alarms({ alarms: all }: Replay): readonly HTMLElement[] {
  return all.map(({ offsetMs, event, message }) =>
    h('p', { class: 'fault' }, `${offset(offsetMs)} ${visible(event)}: ${visible(message)}`),
  )
}

/** Every statement in its place: what was asked, how it was decided and why, and what the agent then saw. */
export function timeline({ steps }: Replay): HTMLElement {
  if (steps.length === 0) return h('p', {}, 'The session asked for nothing.')
  return h('ol', { class: 'steps' }, ...steps.map(stepItem))
}

function stepItem(step: Step): HTMLElement {
  const { number, at, offsetMs, verdict } = step
  const article = h(
    'article',
    { 'aria-labelledby': `step-${number}-h`, tabindex: '-1' },
    heading(step),
    statement(step),
    h('ul', { class: 'reasons' }, ...step.reasons.map(reason)),
    step.hold === null ? null : holdBox(step.hold),
    h('p', { class: 'outcome' }, outcomeOf(step), ...timing(step)),
    step.answer === null ? null : answerTable(step.answer),
    erasedNote(step),
    openNote(step),
    sources(step),
  )
  return h(
    'li',
    { id: `step-${number}`, class: `step ${verdict}`, 'data-step': String(number) },
    h(
      'div',
      { class: 'when' },
      h('a', { href: `#step-${number}`, class: 'number', 'aria-label': `Link to step ${number}` }, String(number)),
      h('time', { datetime: at, title: utc(at) }, offset(offsetMs)),
    ),
    article,
  )
}

function heading(step: Step): HTMLElement {
  const names = step.resources.map(({ name }) => visible(name))
  const quiet = tagsOf(step).flatMap((tag) => (tag === 'rejected' || tag === 'masked' ? [] : [tagChip(tag)]))
  return h(
    'div',
    { class: 'heading' },
    h(
      'h3',
      { id: `step-${step.number}-h` },
      visible(step.action),
      h('span', { class: 'muted' }, names.length === 0 ? '' : ` on ${names.join(', ')}`),
    ),
    h('span', { class: 'chips' }, verdictChip(step.verdict), ...quiet),
  )
}

function statement(step: Step): HTMLElement {
  const { statement: text, parameters } = step
  if (text === null) return h('p', { class: 'muted' }, 'Its text was not kept: it could not be named, or was erased.')
  const values = parameters.map((value, index) => `$${index + 1} = ${value === null ? 'NULL' : visible(value)}`)
  const lines = values.length === 0 ? writtenLines(step) : values
  return h(
    'div',
    { class: 'asked' },
    h('pre', { class: 'statement', tabindex: '0' }, h('code', {}, visibleLines(text).join('\n'))),
    lines.length === 0 ? null : h('p', { class: 'values' }, lines.join('   ')),
  )
}

function reason({ rule, message, controls }: Step['reasons'][number]): HTMLElement {
  return h(
    'li',
    {},
    h('code', { class: 'rule' }, visible(rule)),
    ` ${visible(message)}`,
    ...controls.map((control) => h('a', { class: 'control', href: '#controls' }, visible(control))),
  )
}

function holdBox(hold: Hold): HTMLElement {
  const wait = waited(hold)
  return h(
    'div',
    { class: 'hold-box' },
    h(
      'p',
      {},
      h(
        'strong',
        {},
        `Held for ${hold.quorum === 1 ? 'one person' : `${hold.quorum} people`} of ${hold.approvers.map(visible).join(', ')}`,
      ),
      `: ${holdState(hold)}${wait === null ? '' : `, after ${wait}`}`,
    ),
    ...hold.answers.map((answer) => h('p', {}, answerText(answer))),
    h(
      'p',
      { class: 'muted' },
      `approval ${hold.approval}, would have expired ${utc(new Date(hold.expiresAt).toISOString())}`,
    ),
  )
}

function timing({ decidedUs, outcome, masks }: Step): readonly (HTMLElement | string)[] {
  const took = outcome === null ? null : outcome.tookUs
  const parts = [
    decidedUs === null ? null : `decided in ${duration(decidedUs)}`,
    took === null ? null : `answered ${duration(took)} after that`,
  ].filter((part) => part !== null)
  const counted = masks.filter(({ count }) => count !== null && count > 0)
  return [
    parts.length === 0 ? '' : h('span', { class: 'muted' }, parts.join(', ')),
    ...counted.map(({ field, method, count }) =>
      h('span', { class: 'hidden-field' }, `${visible(field)} × ${count ?? 0}`, maskChip(method)),
    ),
  ]
}

function erasedNote({ erased }: Step): HTMLElement | null {
  return erased.length === 0
    ? null
    : h('p', { class: 'erased' }, 'What was sent has been erased by retention; the log still holds its digest.')
}

function openNote({ sources: lines }: Step): HTMLElement | null {
  const open = lines.some(({ kind, index }) => kind === 'record' && index === null)
  return open ? h('p', { class: 'erased' }, 'No checkpoint covers this step yet.') : null
}

function sources({ decision, sources: lines }: Step): HTMLElement {
  const rows = lines.map(({ id, event, leaf, index }) =>
    h(
      'tr',
      { 'data-leaf': leaf },
      h('td', {}, event),
      h('td', {}, h('code', {}, id)),
      h('td', {}, digest(leaf)),
      h('td', {}, index === null ? '' : String(index)),
    ),
  )
  const head = ['Event', 'Line', 'Leaf hash', 'Log index'].map((name) => h('th', { scope: 'col' }, name))
  return h(
    'details',
    { class: 'sources' },
    h('summary', {}, `Evidence: ${lines.length} ${lines.length === 1 ? 'line' : 'lines'}`),
    h('p', { class: 'muted' }, 'decision ', h('code', {}, decision)),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Lines of evidence' },
      h('table', {}, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows)),
    ),
  )
}
