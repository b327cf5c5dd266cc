import { visible } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf } from './api.ts'
import type { Page, Place, Surroundings } from './page.ts'
import { card, chip, empty, failed, id as idOf, link, loading, moment, pageHead } from './parts.ts'
import { differenceCard, rulesCard, shadowCard } from './policy-parts.ts'

type Json = Readonly<Record<string, unknown>>

/** Which policy decides, how it came into force, what is proposed, and, with a second person, the way back. */
export class PolicyPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly title = 'Policy'
  readonly #around: Surroundings
  #place: Place | null = null

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open(place: Place): Promise<void> {
    this.#place = place
    this.root.replaceChildren(loading())
    await this.#load(place)
    this.root.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async refresh(): Promise<void> {}
  tick(): void {}
  key(): boolean {
    return false
  }
  close(): void {}

  async #load({ id }: Place): Promise<void> {
    try {
      this.root.replaceChildren(...(id === null ? await this.#all() : await this.#candidate(id)))
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.root.replaceChildren(failed(error.message, () => this.#place !== null && void this.#load(this.#place)))
    }
  }

  async #all(): Promise<readonly HTMLElement[]> {
    const { api } = this.#around
    const status = await api.get('/v1/policy')
    const active = objectOf(status['active'])
    const digest = textOf(objectOf(active['policy'])['digest'])
    const [bundle, history, shadow] = await Promise.all([
      digest === '' ? {} : api.get(`/v1/policy/bundles/${digest}`),
      api.get('/v1/records/policy?limit=50').catch(() => ({ records: [] })),
      api.get('/v1/policy/shadow').catch(() => null),
    ])
    const proposals = listOf(status['proposals'])
      .map(objectOf)
      .filter((each) => textOf(objectOf(each['policy'])['digest']) !== digest)
    return [
      pageHead(
        'Policy',
        status['review'] === 'required'
          ? 'Nothing comes into force here that another person has not reviewed.'
          : 'This gateway asks for no review: policy.review in its configuration would.',
      ),
      this.#inForce(status),
      proposals.length === 0
        ? card(
            'Proposed',
            empty(
              'Nothing is proposed',
              'countersign policy propose sends a bundle here, to be tested, reviewed and put in force.',
            ),
          )
        : card('Proposed', h('ul', { class: 'plain lines' }, ...proposals.map(proposal))),
      shadow === null ? null : shadowCard(shadow),
      rulesCard(bundle),
      changes(listOf(Reflect.get(history, 'records')).map((each) => objectOf(objectOf(each)['record']))),
    ].filter((each) => each !== null)
  }

  #inForce(status: Json): HTMLElement {
    const here = objectOf(status['here'])
    const active = objectOf(status['active'])
    const previous = objectOf(status['previous'])
    const by = textOf(active['by'])
    const back = textOf(objectOf(previous['policy'])['revision'])
    return card(
      'In force',
      h(
        'p',
        { class: 'standing' },
        here['suspended'] === true ? chip('suspended: nothing is decided', 'reject') : chip('deciding', 'forward'),
        h('strong', {}, visible(textOf(here['revision']))),
        idOf(textOf(here['digest'])),
      ),
      h(
        'p',
        { class: 'muted' },
        by === '' ? 'From the configured bundle, ' : `Put in force by ${visible(by)}, `,
        moment(textOf(active['since'])),
      ),
      back === '' || !this.#around.me.operatesPolicy
        ? null
        : this.#sure(`Go back to ${visible(back)}`, 'Roll back now', async () =>
            this.#around.api.post('/v1/policy/rollback'),
          ),
    )
  }

  /** What takes effect at once for everybody is asked for twice. */
  #sure(label: string, again: string, work: () => Promise<unknown>): HTMLElement {
    const trouble = h('p', { class: 'trouble', role: 'alert' })
    const place = h('div', { class: 'actions' })
    const ask = button(label, () => {
      const yes = button(again, () => void go(), { class: 'deny' })
      place.replaceChildren(
        yes,
        button('No', () => place.replaceChildren(ask), { class: 'quiet' }),
      )
      yes.focus()
    })
    const go = async (): Promise<void> => {
      try {
        await work()
        this.#around.say('Done. It is in force here, and at every other gateway within a second.')
        if (this.#place !== null) await this.open(this.#place)
      } catch (error) {
        place.replaceChildren(ask)
        trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
      }
    }
    place.append(ask)
    return h('div', {}, place, trouble)
  }

  async #candidate(digest: string): Promise<readonly HTMLElement[]> {
    const { api, me } = this.#around
    const [status, difference, bundle] = await Promise.all([
      api.get('/v1/policy'),
      api.get(`/v1/policy/bundles/${digest}/difference`),
      api.get(`/v1/policy/bundles/${digest}`),
    ])
    const found = listOf(status['proposals'])
      .map(objectOf)
      .find((each) => textOf(objectOf(each['policy'])['digest']) === digest)
    const review = objectOf(found?.['review'])
    const revision = visible(textOf(objectOf(difference['to'])['revision']))
    return [
      h('p', { class: 'back always' }, link('/console/policy', 'Policy')),
      pageHead(
        revision,
        found === undefined
          ? null
          : h('span', {}, `Proposed by ${visible(textOf(found['by']))}, `, moment(textOf(found['at']))),
      ),
      found === undefined ? null : h('p', { class: 'standing' }, testChip(textOf(found['tested'])), reviewChip(review)),
      differenceCard(difference),
      me.reviewsPolicy && found !== undefined && textOf(review['answer']) === '' ? this.#review(digest) : null,
      me.operatesPolicy
        ? card(
            'Operate',
            this.#sure('Put it in force', 'Put it in force now', () => api.post('/v1/policy/activate', { digest })),
            this.#sure('Run it beside the live policy', 'Begin', () => api.post('/v1/policy/shadow', { digest })),
          )
        : null,
      rulesCard(bundle),
    ].filter((each) => each !== null)
  }

  #review(digest: string): HTMLElement {
    const reason = h('textarea', { id: 'review-reason', rows: '2', maxlength: '2000' })
    const trouble = h('p', { class: 'trouble', role: 'alert' })
    const say = async (answer: 'approve' | 'reject'): Promise<void> => {
      try {
        const said = reason.value.trim()
        await this.#around.api.post(`/v1/policy/proposals/${digest}/review`, {
          answer,
          reason: said === '' ? null : said,
        })
        this.#around.say('Your review is recorded.')
        if (this.#place !== null) await this.open(this.#place)
      } catch (error) {
        trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
      }
    }
    return card(
      'Your review',
      h(
        'form',
        { class: 'answer' },
        h('label', { for: 'review-reason' }, 'Reason (optional)'),
        reason,
        trouble,
        h(
          'div',
          { class: 'buttons' },
          button('Approve', () => void say('approve'), { class: 'approve' }),
          button('Reject', () => void say('reject'), { class: 'deny' }),
        ),
      ),
    )
  }
}

function proposal(each: Json): HTMLElement {
  const { revision, digest } = objectOf(each['policy'])
  return h(
    'li',
    {},
    link(`/console/policy/${textOf(digest)}`, h('strong', {}, visible(textOf(revision)))),
    testChip(textOf(each['tested'])),
    reviewChip(objectOf(each['review'])),
    h('span', { class: 'muted' }, `by ${visible(textOf(each['by']))}, `, moment(textOf(each['at']))),
  )
}

function testChip(tested: string): HTMLElement {
  if (tested === '') return chip('not tested', 'hold')
  return tested === 'FAILED' ? chip('tests failed', 'reject') : chip('tests pass', 'forward')
}

function reviewChip(review: Json): HTMLElement {
  const answer = textOf(review['answer'])
  if (answer === '') return chip('awaits a review', 'hold')
  const by = visible(textOf(review['by']))
  return answer === 'approve' ? chip(`reviewed by ${by}`, 'forward') : chip(`rejected by ${by}`, 'reject')
}

function changes(records: readonly Json[]): HTMLElement {
  if (records.length === 0) return card('How it came to be', h('p', {}, 'No change is recorded yet.'))
  const rows = records.map((record) => {
    const event = textOf(record['event'])
    const by = textOf(objectOf(record['principal'])['id'])
    return h(
      'li',
      {},
      h('strong', {}, visible(event.slice('policy.'.length).replaceAll('_', ' '))),
      h('span', {}, visible(textOf(objectOf(record['policy'])['revision']))),
      h('span', { class: 'muted' }, by === '' ? 'the configuration' : visible(by)),
      moment(textOf(record['ts'])),
    )
  })
  return card('How it came to be', h('ol', { class: 'plain lines' }, ...rows))
}
