import { visible } from '../../../engine/replay/browser.ts'
import { button, h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf, textsOf } from './api.ts'
import { decisionOf, deed, thenOf, type Decision } from './decision.ts'
import type { Surroundings } from './page.ts'
import {
  card,
  command,
  controlLink,
  failed,
  id as idOf,
  link,
  loading,
  micros,
  moment,
  number,
  raw,
  verdictChip,
} from './parts.ts'
import { sentence } from './wording.ts'

type Json = Readonly<Record<string, unknown>>

/** One decision in full: what was asked, which rules spoke, which controls that evidences, and what then happened. */
export class DecisionDetail {
  readonly element: HTMLElement = h('section', { class: 'detail', 'aria-label': 'The chosen decision' })
  readonly #around: Surroundings
  #id: string | null = null
  #back = ''
  #shown = ''

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open(id: string | null, back: string): Promise<void> {
    this.#back = back
    if (id === this.#id) return
    this.#id = id
    this.#shown = ''
    this.element.hidden = id === null
    if (id === null) return
    this.element.replaceChildren(loading())
    await this.refresh()
    this.element.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true })
    this.element.scrollTo?.({ top: 0 })
  }

  async refresh(): Promise<void> {
    const id = this.#id
    if (id === null) return
    try {
      const whole = await this.#around.api.get(`/v1/decisions/${id}`)
      if (id === this.#id) this.#draw(whole)
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.element.replaceChildren(
        this.#top(),
        failed(error.message, () => void this.refresh()),
      )
    }
  }

  #draw(whole: Json): void {
    const shown = JSON.stringify(whole)
    if (shown === this.#shown) return // what was opened of it stays open
    this.#shown = shown
    const decision = decisionOf(whole['decision'])
    const records = listOf(whole['records']).map((each) => objectOf(objectOf(each)['record']))
    this.element.replaceChildren(
      this.#top(),
      head(decision),
      because(decision, records),
      h(
        'div',
        { class: 'facts' },
        outcome(decision, records),
        where(decision, records),
        this.#request(decision),
        steps(records),
        card(
          'Why, in detail',
          h('p', { class: 'muted' }, 'Which expression each rule did not get past; run where evidence is.'),
          command(textOf(whole['explain'])),
        ),
        raw(records, 'The records as they stand in evidence'),
      ),
    )
  }

  #top(): HTMLElement {
    return h('p', { class: 'back' }, link(this.#back, 'All decisions'))
  }

  /** What was sent is shown to auditors alone, who ask for it knowingly: that they did is recorded first. */
  #request({ id }: Decision): HTMLElement | null {
    if (!this.#around.me.access.includes('auditor')) return null
    const body = h('div', {})
    const show = button('Show what was sent', () => void ask(), { class: 'quiet' })
    const ask = async (): Promise<void> => {
      show.disabled = true
      try {
        const { records } = await this.#around.api.get(`/v1/decisions/${id}/request`)
        body.replaceChildren(...sent(listOf(records).map(objectOf)))
      } catch (error) {
        show.disabled = false
        body.replaceChildren(h('p', { class: 'trouble' }, error instanceof Refusal ? error.message : 'That failed.'))
      }
    }
    body.append(
      h('p', { class: 'muted' }, 'Statements and values. That you looked is recorded in evidence, with your name.'),
      show,
    )
    return card('What was sent', body)
  }
}

function head(decision: Decision): HTMLElement {
  const { verdict, agent, at, plane } = decision
  const then = verdict !== 'hold' ? null : h('span', { class: 'then' }, thenOf(decision))
  return h(
    'header',
    {},
    h('p', { class: 'standing' }, verdictChip(verdict), then),
    h('h2', { class: 'title', tabindex: '-1' }, visible(deed(decision))),
    h('p', { class: 'who' }, h('strong', {}, visible(agent)), ` · ${visible(plane)} · `, moment(at)),
  )
}

function because({ rules, verdict }: Decision, records: readonly Json[]): HTMLElement {
  const said = new Map(
    records
      .flatMap((record) => listOf(record['reasons']).map(objectOf))
      .map((reason) => [textOf(reason['rule']), textOf(reason['message'])]),
  )
  const items = rules.map(({ rule, controls }) =>
    h(
      'li',
      {},
      h('p', {}, sentence(visible(said.get(rule) ?? ''))),
      h(
        'p',
        { class: 'rule' },
        link(`/console/decisions?rule=${encodeURIComponent(rule)}`, h('code', {}, visible(rule))),
        ...controls.map(controlLink),
      ),
    ),
  )
  return h(
    'section',
    { class: `because ${verdict}` },
    h('h3', {}, 'Why'),
    items.length === 0
      ? h('p', {}, 'No rule spoke for it, and what no rule lets through is refused.')
      : h('ul', { class: 'plain' }, ...items),
  )
}

function outcome(decision: Decision, records: readonly Json[]): HTMLElement {
  const { outcome: status, rows, error, decidedUs, tookUs, approval, verdict, answer } = decision
  const masks = records.flatMap((record) =>
    listOf(objectOf(record['outcome'])['masks'] ?? record['masks']).map(objectOf),
  )
  const named = new Map(masks.map((mask) => [textOf(mask['field']), textOf(mask['method'])]))
  const words: Readonly<Record<string, string>> = {
    ok: 'carried out',
    failed: 'failed at the upstream',
    unknown: 'in doubt: nobody knows whether it took effect',
  }
  const nothing = verdict === 'reject' || answer === 'reject' ? 'nothing reached the upstream' : 'not known yet'
  return card(
    'What happened',
    terms([
      ['Outcome', words[status] ?? nothing],
      ['Error', error === '' ? null : h('code', {}, visible(error))],
      ['Rows', rows === null ? null : number(rows)],
      [
        'Masked',
        named.size === 0
          ? null
          : [...named].map(([field, method]) => `${visible(field)} by ${visible(method)}`).join(', '),
      ],
      ['Decided in', micros(decidedUs)],
      ['Took', tookUs === null ? null : micros(tookUs)],
      ['Approval', approval === '' ? null : link(`/console/approvals/${approval}`, 'who answered')],
    ]),
  )
}

function where({ id, session, agent, revision }: Decision, records: readonly Json[]): HTMLElement {
  const principal = objectOf(records.find((record) => 'principal' in record)?.['principal'])
  const act = textsOf(principal['act'])
  const owner = textOf(principal['owner'])
  return card(
    'Who and where',
    terms([
      ['Agent', link(`/console/decisions?agent=${encodeURIComponent(agent)}`, visible(agent))],
      ['Owner', owner === '' ? null : visible(owner)],
      ['Acts through', act.length === 0 ? null : act.map(visible).join(' ← ')],
      [
        'Session',
        session === ''
          ? null
          : link(`/console/sessions/${session}`, h('code', {}, `${visible(session).slice(0, 13)}…`)),
      ],
      ['Policy', h('code', {}, visible(revision))],
      ['Decision', idOf(id, 36)],
    ]),
  )
}

function steps(records: readonly Json[]): HTMLElement {
  const items = records.map((record) =>
    h(
      'li',
      {},
      h('code', {}, visible(textOf(record['event']))),
      moment(textOf(record['ts'])),
      idOf(textOf(record['id']), 22),
    ),
  )
  return card('In evidence', h('ol', { class: 'plain steps' }, ...items))
}

function sent(records: readonly Json[]): readonly HTMLElement[] {
  const payloads = records.filter((record) => 'payload' in record)
  if (payloads.every(({ payload }) => payload === null)) {
    return [h('p', { class: 'muted' }, 'Nothing is left of it: its time of keeping is over, and it was erased.')]
  }
  return payloads.flatMap(({ record, payload }) => {
    if (payload === null) return []
    const block = objectOf(objectOf(payload)['block'])
    const statement = textOf(block['statement'])
    const text =
      statement === ''
        ? null
        : h('pre', { tabindex: '0' }, h('code', {}, statement.split('\n').map(visible).join('\n')))
    return [
      h(
        'div',
        { class: 'sent' },
        text,
        raw(payload, `All of it, beside ${visible(textOf(objectOf(record)['event']))}`),
      ),
    ]
  })
}
