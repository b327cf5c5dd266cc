import { visible } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'
import { objectOf, textOf, textsOf } from './api.ts'
import { numberOf } from './decision.ts'
import { Feed } from './feed.ts'
import { FilterBar } from './filter-bar.ts'
import type { News, Page, Place, Surroundings } from './page.ts'
import { chip, empty, moment, number, pageHead } from './parts.ts'
import { SessionReplay } from './session-replay.ts'
import { plural } from './wording.ts'

const ANY = ['', 'Any'] as const

/** Sessions, live and ended; one of them replayed from its evidence, for auditors. */
export class SessionsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page wide' })
  readonly #around: Surroundings
  readonly #feed: Feed
  readonly #filter: FilterBar
  readonly #list: HTMLElement
  readonly #replay: SessionReplay
  #id: string | null = null

  constructor(around: Surroundings) {
    this.#around = around
    this.#replay = new SessionReplay(around)
    this.#filter = new FilterBar('Narrow sessions', CHOICES, (query) =>
      around.go(query.size === 0 ? '/console/sessions' : `/console/sessions?${query}`),
    )
    this.#feed = new Feed({
      api: around.api,
      member: 'sessions',
      item,
      none: () =>
        empty(
          'No session like that',
          'A session begins when an agent connects through the gateway, and ends with its connection.',
        ),
    })
    this.#list = h(
      'div',
      {},
      pageHead('Sessions', 'One for each connection of an agent. Open one to replay it from its evidence.'),
      this.#filter.element,
      this.#feed.element,
    )
    this.root.append(this.#list, this.#replay.element)
    void this.#offer()
  }

  get title(): string {
    return this.#id === null ? 'Sessions' : 'Session replay'
  }

  async open({ id, query }: Place): Promise<void> {
    this.#id = id
    this.#list.hidden = id !== null
    if (id !== null) return this.#replay.open(id)
    this.#replay.close()
    const asked = new URLSearchParams([...query].filter(([name]) => CHOICES.some((choice) => choice.name === name)))
    this.#filter.show(asked)
    await this.#feed.open(asked.size === 0 ? '/v1/sessions' : `/v1/sessions?${asked}`)
  }

  async refresh(news: News): Promise<void> {
    if (news === 'evidence' && this.#id === null) await this.#feed.refresh()
  }

  tick(): void {}

  key(): boolean {
    return false
  }

  close(): void {
    this.#replay.close()
  }

  async #offer(): Promise<void> {
    const choices = await this.#around.api.get('/v1/choices').catch(() => ({}))
    this.#filter.offer('agent', textsOf(Reflect.get(choices, 'agents')))
    this.#filter.offer('plane', textsOf(Reflect.get(choices, 'planes')))
  }
}

const CHOICES = [
  {
    name: 'state',
    label: 'State',
    options: [
      ['', 'Live and ended'],
      ['live', 'Live'],
      ['ended', 'Ended'],
    ],
  },
  { name: 'agent', label: 'Agent', options: [ANY] },
  { name: 'plane', label: 'Plane', options: [ANY] },
] as const

function item(row: unknown): HTMLElement {
  const view = objectOf(row)
  const id = textOf(view['id'])
  const closed = textOf(view['closed'])
  const decisions = numberOf(view['decisions']) ?? 0
  const owner = textOf(view['owner'])
  const counts = (['masked', 'held', 'rejected'] as const).flatMap((name) => {
    const count = numberOf(view[name]) ?? 0
    return count === 0 ? [] : [h('span', { class: `count ${TONES[name]}` }, `${number(count)} ${name}`)]
  })
  return h(
    'li',
    {},
    h(
      'a',
      { class: 'row session', href: `/console/sessions/${id}` },
      h('span', { class: 'verdict' }, closed === '' ? chip('live', 'forward') : chip('ended')),
      h(
        'span',
        { class: 'what' },
        visible(textOf(view['agent'])),
        owner === '' ? null : h('span', { class: 'muted' }, ` of ${visible(owner)}`),
      ),
      h('span', { class: 'who' }, visible(textOf(view['plane']))),
      h('span', { class: 'why' }, h('span', { class: 'count all' }, plural(decisions, 'decision')), ...counts),
      moment(textOf(view['opened'])),
    ),
  )
}

const TONES = { masked: 'mask', held: 'hold', rejected: 'reject' } as const
