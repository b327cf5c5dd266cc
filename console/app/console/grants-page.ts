import { visible } from '../../../engine/replay/browser.ts'
import { button, h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf, textsOf } from './api.ts'
import { GrantForm } from './grant-form.ts'
import { numberOf } from './decision.ts'
import type { News, Page, Surroundings } from './page.ts'
import { chip, empty, failed, id as idOf, link, loading, moment, pageHead } from './parts.ts'
import { stateOf } from './approval.ts'
import { sentence, standing } from './wording.ts'

type Json = Readonly<Record<string, unknown>>

/** Access for a time: asked for, live, over; and break-glass, which somebody has to look at afterwards. */
export class GrantsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly #around: Surroundings
  readonly #form: GrantForm
  readonly #groups: HTMLElement = h('div', {}, loading())
  #reviews = 0
  #shown = ''

  constructor(around: Surroundings) {
    this.#around = around
    this.#form = new GrantForm(around, () => this.#load())
    this.root.append(
      pageHead(
        'Grants',
        'Access for a time, within a scope. A live one is seen by policy, which still decides each request.',
      ),
      this.#groups,
      this.#form.element,
    )
  }

  get title(): string {
    return `${this.#reviews === 0 ? '' : `(${this.#reviews}) `}Grants`
  }

  async open(): Promise<void> {
    await this.#load()
    this.root.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async refresh(news: News): Promise<void> {
    if (news === 'approvals') await this.#load()
  }

  tick(): void {}
  key(): boolean {
    return false
  }
  close(): void {}

  async #load(): Promise<void> {
    try {
      const { grants } = await this.#around.api.get('/v1/grants')
      const all = listOf(grants).map(objectOf)
      const shown = JSON.stringify(all)
      if (shown === this.#shown) return // a half-written reason stays
      this.#shown = shown
      this.#draw(all)
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.#groups.replaceChildren(failed(error.message, () => void this.#load()))
    }
  }

  #draw(all: readonly Json[]): void {
    const now = Date.now()
    const toReview = all.filter((each) => isOpenReview(each))
    const live = all.filter(
      (each) => each['state'] === 'granted' && Date.parse(textOf(each['expires_at'])) > now && !isOpenReview(each),
    )
    const asked = all.filter((each) => each['state'] === 'requested')
    const over = all.filter((each) => ![...toReview, ...live, ...asked].includes(each))
    this.#reviews = toReview.length
    const nothing = all.length === 0
    this.#groups.replaceChildren(
      ...(nothing
        ? [
            empty(
              'No grant that you may see',
              'Ask for access below, or with countersign request; approvers see it in their inbox.',
            ),
          ]
        : [
            this.#group('Break-glass to be reviewed', toReview),
            this.#group('Live', live),
            this.#group('Asked for', asked),
            this.#group('Over', over.slice(0, 50)),
          ].filter((each) => each !== null)),
    )
  }

  #group(heading: string, grants: readonly Json[]): HTMLElement | null {
    if (grants.length === 0) return null
    return h(
      'section',
      { class: 'group' },
      h('h2', {}, heading, h('span', { class: 'tally' }, String(grants.length))),
      ...grants.map((each) => this.#one(each)),
    )
  }

  #one(grant: Json): HTMLElement {
    const scope = objectOf(grant['grant'])
    const subject = objectOf(scope['subject'])
    const isBreakGlass = scope['break_glass'] === true
    const state = textOf(grant['state'])
    const review = objectOf(grant['review'])
    const revoked = objectOf(grant['revoked'])
    const answers = listOf(grant['answers']).map(objectOf)
    const id = textOf(grant['id'])
    return h(
      'section',
      { class: `card grant${isBreakGlass ? ' loud' : ''}` },
      h(
        'p',
        { class: 'standing' },
        isBreakGlass ? chip('break-glass', 'reject') : null,
        stateChip(grant),
        h('strong', {}, visible(textOf(subject['id']))),
        moment(textOf(grant['requested_at'])),
      ),
      h('p', { class: 'prose' }, sentence(visible(textOf(scope['reason'])))),
      terms([
        ['Plane', visible(textOf(scope['plane']))],
        ['Actions', textsOf(scope['actions']).map(visible).join(', ')],
        ['Resources', textsOf(scope['resources']).map(visible).join(', ')],
        ['For', spell(numberOf(scope['seconds']) ?? 0)],
        ['Until', state === 'granted' ? moment(textOf(grant['expires_at'])) : null],
        [
          'Answered by',
          answers.map(({ by, answer }) => `${visible(textOf(by))} (${visible(textOf(answer))})`).join(', '),
        ],
        [
          'Ended by',
          textOf(revoked['by']) === ''
            ? null
            : `${visible(textOf(revoked['by']))} ${visible(textOf(revoked['reason']))}`,
        ],
        ['Review', reviewed(review)],
        ['Grant', idOf(id)],
      ]),
      this.#actions(grant),
    )
  }

  #actions(grant: Json): HTMLElement | null {
    const id = textOf(grant['id'])
    if (grant['state'] === 'requested')
      return h('div', { class: 'actions' }, link(`/console/approvals/${id}`, 'Answer it in the inbox'))
    const live = grant['state'] === 'granted' && Date.parse(textOf(grant['expires_at'])) > Date.now()
    const forms = [
      isOpenReview(grant)
        ? this.#say(id, 'review', [
            ['justified', 'It was right'],
            ['unjustified', 'It was not'],
          ])
        : null,
      live ? this.#say(id, 'revoke', [['revoke', 'End it now']]) : null,
    ].filter((each) => each !== null)
    return forms.length === 0 ? null : h('div', { class: 'forms' }, ...forms)
  }

  /** A reason, and what is said with it. */
  #say(id: string, what: 'review' | 'revoke', answers: readonly (readonly [string, string])[]): HTMLElement {
    const field = `${what}-${id}`
    const reason = h('input', { id: field, type: 'text', maxlength: '2000', autocomplete: 'off' })
    const trouble = h('p', { class: 'trouble', role: 'alert' })
    const send = async (finding: string): Promise<void> => {
      const said = reason.value.trim()
      if (what === 'review' && said === '') {
        trouble.textContent = 'Say in a few words why.'
        return reason.focus()
      }
      try {
        const body = what === 'review' ? { finding, reason: said } : { reason: said === '' ? null : said }
        await this.#around.api.post(`/v1/grants/${id}/${what}`, body)
        this.#around.say(what === 'review' ? 'The review is closed.' : 'The grant is over.')
        await this.#load()
      } catch (error) {
        trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
      }
    }
    const label = what === 'review' ? 'What you found' : 'Why it ends (optional)'
    return h(
      'form',
      { class: 'say' },
      h('label', { for: field }, label),
      reason,
      h(
        'div',
        { class: 'buttons' },
        ...answers.map(([value, words]) =>
          button(words, () => void send(value), { class: value === 'justified' ? '' : 'deny' }),
        ),
      ),
      trouble,
    )
  }
}

function stateChip(grant: Json): HTMLElement {
  const state = textOf(grant['state'])
  const isLive = state === 'granted' && Date.parse(textOf(grant['expires_at'])) > Date.now()
  if (state === 'granted') return isLive ? chip('live', 'forward') : chip('over')
  return chip(standing(stateOf(state)), TONES[state] ?? '')
}

const TONES: Readonly<Record<string, string>> = {
  requested: 'hold',
  denied: 'reject',
  revoked: 'reject',
}

function isOpenReview(grant: Json): boolean {
  return 'review' in grant && objectOf(grant['review'])['closed'] === null
}

function reviewed(review: Json): HTMLElement | string | null {
  if (!('due_at' in review)) return null
  const closed = objectOf(review['closed'])
  if (textOf(closed['by']) !== '')
    return `${visible(textOf(closed['by']))} found it ${visible(textOf(closed['finding']))}: ${visible(textOf(closed['reason']))}`
  const late = review['overdue'] === true || Date.parse(textOf(review['due_at'])) < Date.now()
  return h(
    'span',
    {},
    late ? chip('overdue', 'reject') : 'due ',
    late ? ' since ' : '',
    exact(textOf(review['due_at'])),
  )
}

function exact(text: string): HTMLElement {
  return h('time', { datetime: text }, `${text.slice(0, 16).replace('T', ' ')} UTC`)
}

function spell(seconds: number): string {
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return seconds < 86_400
    ? `${(seconds / 3600).toFixed(1).replace('.0', '')} h`
    : `${(seconds / 86_400).toFixed(1).replace('.0', '')} days`
}
