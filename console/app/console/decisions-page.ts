import { visible } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'
import { textsOf } from './api.ts'
import { deed, decisionOf, thenOf } from './decision.ts'
import { DecisionDetail } from './decision-detail.ts'
import { Feed } from './feed.ts'
import { FilterBar } from './filter-bar.ts'
import type { News, Page, Place, Surroundings } from './page.ts'
import { empty, moment, pageHead, verdictChip } from './parts.ts'

const FILTERS = ['verdict', 'agent', 'plane', 'rule', 'control', 'from', 'to', 'session', 'action'] as const
const ANY = ['', 'Any'] as const

/** Decisions as they are made, narrowed by what one looks for; the chosen one beside them, in full. */
export class DecisionsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'split' })
  readonly title = 'Decisions'
  readonly #around: Surroundings
  readonly #feed: Feed
  readonly #filter: FilterBar
  readonly #detail: DecisionDetail
  #query = new URLSearchParams()
  #id: string | null = null

  constructor(around: Surroundings) {
    this.#around = around
    this.#detail = new DecisionDetail(around)
    this.#filter = new FilterBar('Narrow decisions', CHOICES, (query) => this.#narrow(query))
    this.#feed = new Feed({
      api: around.api,
      member: 'decisions',
      item: (row) => this.#item(row),
      none: () => this.#none(),
    })
    this.root.append(
      h(
        'section',
        { class: 'list', 'aria-label': 'All decisions' },
        pageHead('Decisions', 'What agents asked for, and what policy answered. New ones appear by themselves.'),
        this.#filter.element,
        this.#feed.element,
      ),
      this.#detail.element,
    )
    void this.#offer()
  }

  async open({ id, query }: Place): Promise<void> {
    this.#id = id
    this.#query = new URLSearchParams([...query].filter(([name]) => FILTERS.some((filter) => filter === name)))
    this.#filter.show(this.#query)
    this.root.classList.toggle('one', id !== null)
    await Promise.all([this.#feed.open(this.#path()), this.#detail.open(id, this.#back())])
    this.#mark()
  }

  async refresh(news: News): Promise<void> {
    if (news !== 'evidence') return
    await this.#feed.refresh()
    await this.#detail.refresh()
    this.#mark()
  }

  tick(): void {}

  /** `j` and `k` walk the list. */
  key(name: string): boolean {
    if (name !== 'j' && name !== 'k') return false
    const links = [...this.#feed.element.querySelectorAll<HTMLAnchorElement>('.rows a')]
    const at = links.findIndex((each) => each.getAttribute('aria-current') === 'true')
    links[Math.min(Math.max(at + (name === 'j' ? 1 : -1), 0), links.length - 1)]?.click()
    return true
  }

  close(): void {}

  #path(): string {
    return this.#query.size === 0 ? '/v1/decisions' : `/v1/decisions?${this.#query}`
  }

  #back(): string {
    return this.#query.size === 0 ? '/console/decisions' : `/console/decisions?${this.#query}`
  }

  #narrow(query: URLSearchParams): void {
    this.#around.go(query.size === 0 ? '/console/decisions' : `/console/decisions?${query}`)
  }

  async #offer(): Promise<void> {
    const choices = await this.#around.api.get('/v1/choices').catch(() => ({}))
    for (const [name, member] of [
      ['agent', 'agents'],
      ['plane', 'planes'],
      ['rule', 'rules'],
      ['control', 'controls'],
    ] as const) {
      this.#filter.offer(name, textsOf(Reflect.get(choices, member)))
    }
    this.#filter.show(this.#query)
  }

  #item(row: unknown): HTMLElement {
    const decision = decisionOf(row)
    const { id, verdict, agent, rules, at, outcome } = decision
    const query = this.#query.size === 0 ? '' : `?${this.#query}`
    const held = verdict === 'hold' ? h('span', { class: 'then' }, thenOf(decision)) : null
    const bad = outcome === 'failed' || outcome === 'unknown' ? h('span', { class: 'then bad' }, outcome) : null
    return h(
      'li',
      {},
      h(
        'a',
        { class: 'row', href: `/console/decisions/${id}${query}` },
        h('span', { class: 'verdict' }, verdictChip(verdict), held, bad),
        h('span', { class: 'what' }, visible(deed(decision))),
        h('span', { class: 'who' }, visible(agent)),
        h('span', { class: 'why' }, rules.map(({ rule }) => visible(rule)).join(', ')),
        moment(at),
      ),
    )
  }

  #mark(): void {
    for (const link of this.#feed.element.querySelectorAll('.rows a')) {
      const isChosen = this.#id !== null && link.getAttribute('href')?.split(/[/?]/)[3] === this.#id
      if (isChosen) link.setAttribute('aria-current', 'true')
      else link.removeAttribute('aria-current')
    }
  }

  #none(): HTMLElement {
    return this.#query.size > 0
      ? empty('Nothing is like that', 'No decision in evidence meets all of these filters. Clear one of them.')
      : empty(
          'No decision yet',
          'An agent that connects through this gateway is decided on here. countersign doctor tells what a client has to set.',
        )
  }
}

const CHOICES = [
  {
    name: 'verdict',
    label: 'Verdict',
    options: [ANY, ['forward', 'Forwarded'], ['mask', 'Masked'], ['hold', 'Held'], ['reject', 'Rejected']],
  },
  { name: 'agent', label: 'Agent', options: [ANY] },
  { name: 'plane', label: 'Plane', options: [ANY] },
  { name: 'rule', label: 'Rule', options: [ANY] },
  { name: 'control', label: 'Control', options: [ANY] },
  { name: 'from', label: 'From (UTC)', options: null },
  { name: 'to', label: 'Before (UTC)', options: null },
] as const
