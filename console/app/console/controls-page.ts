import { visible } from '../../../engine/replay/browser.ts'
import { h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf, textsOf } from './api.ts'
import { numberOf } from './decision.ts'
import type { Page, Place, Surroundings } from './page.ts'
import { card, chip, failed, figure, id as idOf, link, loading, moment, number, pageHead, ruleChip } from './parts.ts'
import { plural, sentence } from './wording.ts'

type Json = Readonly<Record<string, unknown>>

const STANDINGS: readonly (readonly [string, string, string, string])[] = [
  [
    'none in the period',
    'Nothing in the period',
    'hold',
    'A rule or an event for it exists, and nothing of it was recorded.',
  ],
  ['evidenced', 'Evidenced', 'forward', 'Records of the period speak to it.'],
  ['not recorded yet', 'Not recorded yet', '', 'No rule names it, and no event that this version records tells of it.'],
]

/** Control by control: the rules in force that name it, and the records that speak to it. */
export class ControlsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly title = 'Controls'
  readonly #around: Surroundings

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open({ id }: Place): Promise<void> {
    this.root.replaceChildren(loading())
    try {
      if (id === null) this.root.replaceChildren(...overview(await this.#around.api.get('/v1/controls')))
      else {
        const whole = await this.#around.api.get(`/v1/controls/${encodeURIComponent(id)}`)
        this.root.replaceChildren(...one(whole, this.#around.me.access.includes('auditor')))
      }
      this.root.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.root.replaceChildren(
        failed(error.message, () => void this.open({ page: 'controls', id, query: new URLSearchParams() })),
      )
    }
  }

  async refresh(): Promise<void> {}
  tick(): void {}
  key(): boolean {
    return false
  }
  close(): void {}
}

function overview(answer: Json): readonly HTMLElement[] {
  const controls = listOf(answer['controls']).map(objectOf)
  const groups = STANDINGS.map(([standing, heading, tone, about]) => {
    const those = controls.filter((control) => control['standing'] === standing)
    return { heading, tone, about, those }
  })
  return [
    pageHead(
      'Controls',
      `Framework requirements, the rules in force behind each, and records from ${textOf(answer['from'])} to ${textOf(answer['to'])}.`,
      link('/console/exports', 'Export evidence'),
    ),
    h(
      'dl',
      { class: 'figures' },
      ...groups.map(({ heading, tone, those }) => figure(String(those.length), heading, tone)),
    ),
    ...groups.filter(({ those }) => those.length > 0).map(({ heading, about, those }) => group(heading, about, those)),
    h(
      'p',
      { class: 'muted small' },
      `Control pack ${visible(textOf(objectOf(answer['pack'])['version']))}, digest `,
      idOf(textOf(objectOf(answer['pack'])['digest'])),
    ),
  ]
}

function group(heading: string, about: string, controls: readonly Json[]): HTMLElement {
  return h(
    'section',
    { class: 'group' },
    h('h2', {}, heading, h('span', { class: 'tally' }, String(controls.length))),
    h('p', { class: 'muted' }, about),
    h('ul', { class: 'plain rows' }, ...controls.map(item)),
  )
}

function item(control: Json): HTMLElement {
  const rules = listOf(control['rules'])
  const records = numberOf(control['records']) ?? 0
  return h(
    'li',
    {},
    h(
      'a',
      { class: 'row control', href: `/console/controls/${encodeURIComponent(textOf(control['id']))}` },
      h('span', { class: 'code' }, visible(textOf(control['id']))),
      h(
        'span',
        { class: 'what' },
        visible(textOf(control['title'])),
        h('span', { class: 'muted' }, ` ${visible(textOf(control['framework']))}`),
      ),
      h('span', { class: 'who' }, rules.length === 0 ? 'no rule' : plural(rules.length, 'rule')),
      h('span', { class: 'why' }, records === 0 ? 'no record' : `${number(records)} records`),
    ),
  )
}

function one(whole: Json, mayExport: boolean): readonly HTMLElement[] {
  const control = objectOf(whole['control'])
  const id = textOf(control['id'])
  const source = objectOf(whole['source'])
  const [, heading, tone] = STANDINGS.find(([standing]) => standing === control['standing']) ?? ['', '', '']
  const crosswalk = Object.entries(objectOf(whole['crosswalk'])).map(
    ([framework, ids]) => [framework, textsOf(ids).join(', ')] as const,
  )
  return [
    h('p', { class: 'back always' }, link('/console/controls', 'All controls')),
    pageHead(
      `${visible(id)} ${visible(textOf(control['title']))}`,
      visible(textOf(control['framework'])),
      link(`/console/decisions?control=${encodeURIComponent(id)}`, 'Its decisions'),
      mayExport
        ? h('a', { class: 'button', href: `/console/exports?control=${encodeURIComponent(id)}` }, 'Export its evidence')
        : null,
    ),
    h(
      'p',
      { class: 'standing' },
      chip(heading, tone),
      h(
        'span',
        {},
        `${number(numberOf(control['records']) ?? 0)} records, ${number(numberOf(control['decisions']) ?? 0)} of them decisions`,
      ),
    ),
    h('p', { class: 'prose' }, visible(textOf(whole['paraphrase']))),
    h(
      'div',
      { class: 'cards two' },
      card(
        'Where it comes from',
        terms([
          ['Document', visible(textOf(source['document']))],
          ['Section', visible(textOf(source['section']))],
          ['Exam procedure', visible(textOf(source['exam_procedure']))],
          ['Certainty', visible(textOf(control['certainty']))],
          ['Strength', visible(textOf(control['strength']))],
          [
            'Also',
            crosswalk.length === 0
              ? null
              : h(
                  'ul',
                  { class: 'plain' },
                  ...crosswalk.map(([framework, ids]) => h('li', {}, `${visible(framework)}: ${visible(ids)}`)),
                ),
          ],
        ]),
      ),
      card(
        'What is not shown',
        h('p', {}, sentence(visible(textOf(control['not_shown']) || 'nothing is left out that its mapping knows of'))),
      ),
    ),
    rulesTable(listOf(control['rules']).map(objectOf)),
    newest(listOf(whole['newest']).map(objectOf)),
  ]
}

function rulesTable(rules: readonly Json[]): HTMLElement {
  if (rules.length === 0)
    return card(
      'Rules in force',
      h(
        'p',
        {},
        'No rule in force names it: its evidence comes from events alone. A rule names it in its metadata, as controls.',
      ),
    )
  return card(
    'Rules in force',
    h(
      'ul',
      { class: 'plain lines' },
      ...rules.map((rule) =>
        h(
          'li',
          {},
          ruleChip(textOf(rule['verdict'])),
          link(
            `/console/decisions?rule=${encodeURIComponent(textOf(rule['id']))}`,
            h('code', {}, visible(textOf(rule['id']))),
          ),
          h('span', { class: 'muted' }, plural(numberOf(rule['tests']) ?? 0, 'self-test')),
        ),
      ),
    ),
  )
}

function newest(records: readonly Json[]): HTMLElement {
  if (records.length === 0) return card('Newest records', h('p', {}, 'None yet.'))
  const rows = records.map(({ record }) => {
    const fields = objectOf(record)
    const decision = textOf(fields['decision'])
    const about = textOf(objectOf(fields['action'])['name']) || textOf(objectOf(fields['principal'])['id'])
    return h(
      'li',
      {},
      h('code', {}, visible(textOf(fields['event']))),
      decision === ''
        ? h('span', { class: 'muted' }, visible(about))
        : link(`/console/decisions/${decision}`, visible(about) || 'its decision'),
      moment(textOf(fields['ts'])),
    )
  })
  return card('Newest records', h('ul', { class: 'plain lines' }, ...rows))
}
