import { visible } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'
import { listOf, objectOf, textOf, textsOf } from './api.ts'
import { numberOf } from './decision.ts'
import { card, controlLink, link, number, ruleChip, verdictChip } from './parts.ts'
import { plural } from './wording.ts'

type Json = Readonly<Record<string, unknown>>

/** The rules of a bundle, with what they evidence. */
export function rulesCard(bundle: Json): HTMLElement {
  const rules = listOf(bundle['rules']).map(objectOf)
  if (rules.length === 0)
    return card(
      'Rules',
      h('p', {}, 'This bundle was built without a list of its rules: countersign policy build puts one in.'),
    )
  return card('Rules', h('ul', { class: 'plain rules' }, ...rules.map(rule)))
}

function rule(each: Json): HTMLElement {
  const id = textOf(each['id'])
  const tests = textsOf(each['tests'])
  return h(
    'li',
    {},
    h('p', { class: 'standing' }, ruleChip(textOf(each['verdict'])), h('strong', {}, visible(textOf(each['title'])))),
    h(
      'p',
      { class: 'rule' },
      link(`/console/decisions?rule=${encodeURIComponent(id)}`, h('code', {}, visible(id))),
      h('span', { class: 'muted' }, visible(textOf(each['where']))),
      h('span', { class: 'muted', title: tests.map(visible).join(', ') }, plural(tests.length, 'self-test')),
      ...textsOf(each['controls']).map(controlLink),
    ),
  )
}

/** What a candidate changes of the policy in force. */
export function differenceCard(difference: Json): HTMLElement {
  const added = listOf(difference['added']).map(objectOf)
  const removed = listOf(difference['removed']).map(objectOf)
  const changed = listOf(difference['changed']).map(objectOf)
  const data = textsOf(difference['data'])
  const nothing = added.length + removed.length + changed.length + data.length === 0
  const from = textOf(objectOf(difference['from'])['revision'])
  const since = from === '' ? 'nothing is in force' : `compared with ${visible(from)}`
  if (nothing)
    return card('What it changes', h('p', {}, `Neither rules nor data; only their code may be another (${since}).`))
  return card(
    'What it changes',
    h(
      'p',
      { class: 'muted' },
      `Rules and data, ${since}. What it would have answered instead is for its run beside the live policy to tell, or countersign policy diff.`,
    ),
    h(
      'ul',
      { class: 'plain difference' },
      ...added.map((each) => h('li', { class: 'added' }, h('span', { class: 'sign' }, 'added'), named(each))),
      ...removed.map((each) => h('li', { class: 'removed' }, h('span', { class: 'sign' }, 'gone'), named(each))),
      ...changed.map((each) =>
        h(
          'li',
          { class: 'changed' },
          h('span', { class: 'sign' }, 'changed'),
          h('span', { class: 'was' }, named(objectOf(each['before']))),
          named(objectOf(each['after'])),
        ),
      ),
      ...data.map((name) =>
        h('li', { class: 'changed' }, h('span', { class: 'sign' }, 'data'), h('code', {}, visible(name))),
      ),
    ),
  )
}

function named(each: Json): HTMLElement {
  return h(
    'span',
    { class: 'named' },
    ruleChip(textOf(each['verdict'])),
    h('code', {}, visible(textOf(each['id']))),
    h('span', {}, visible(textOf(each['title']))),
    h('span', { class: 'muted' }, textsOf(each['controls']).map(visible).join(', ')),
  )
}

/** What came of a candidate on live traffic. */
export function shadowCard(shadow: Json): HTMLElement | null {
  const candidate = textOf(shadow['candidate'])
  const counts = objectOf(shadow['counts'])
  const compared = numberOf(counts['compared']) ?? 0
  if (candidate === '' && compared === 0) return null
  const differences = Object.entries(objectOf(counts['differences'])).map(([what, count]) =>
    h('li', {}, h('span', {}, visible(what)), h('span', { class: 'muted' }, number(numberOf(count) ?? 0))),
  )
  const examples = listOf(counts['examples']).map(objectOf).slice(0, 5).map(example)
  return card(
    'Beside the live policy',
    h(
      'p',
      {},
      candidate === ''
        ? 'No candidate runs now. The last one:'
        : `A candidate runs, digest ${visible(candidate).slice(0, 12)}….`,
    ),
    h(
      'p',
      { class: 'muted' },
      `${number(compared)} compared, ${number(numberOf(counts['same']) ?? 0)} the same, ${number(numberOf(counts['failed']) ?? 0)} without a verdict, ${number(numberOf(counts['dropped']) ?? 0)} dropped.`,
    ),
    differences.length === 0 ? h('p', {}, 'No difference so far.') : h('ul', { class: 'plain lines' }, ...differences),
    examples.length === 0 ? null : h('ul', { class: 'plain lines' }, ...examples),
  )
}

function example(each: Json): HTMLElement {
  return h(
    'li',
    {},
    link(`/console/decisions/${textOf(each['decision'])}`, visible(textOf(each['action']))),
    verdictChip(textOf(objectOf(each['live'])['verdict'])),
    h('span', { class: 'muted' }, 'would be'),
    verdictChip(textOf(objectOf(each['candidate'])['verdict'])),
  )
}
