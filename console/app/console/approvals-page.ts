import { visible } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'
import { answerForm } from './answer-form.ts'
import { listOf, Refusal, textOf, type Api } from './api.ts'
import { approvalOf, type Approval } from './approval.ts'
import { approvalDetail } from './approval-detail.ts'
import type { News, Page, Place, Surroundings } from './page.ts'
import { ago, left, plural, standingOf, wanted, who } from './wording.ts'

/** The inbox: what waits on the left, oldest expiry first, then what was answered; the chosen one beside it. */
export class ApprovalsPage implements Page {
  readonly root: HTMLElement = h('div', { class: 'inbox' })
  readonly #api: Api
  readonly #list: HTMLElement = h('nav', { class: 'list', 'aria-label': 'Approvals' })
  readonly #chosen: HTMLElement = h('main', { id: 'main' })
  readonly #said: HTMLElement = h('p', { class: 'said', role: 'status' })
  #approvals: readonly Approval[] = []
  #id: string | null = null
  /** What the detail was made of: it is made anew only when that changes, so that no half-written reason is lost. */
  #shown = ''

  constructor({ api }: Surroundings) {
    this.#api = api
    this.root.append(this.#list, this.#chosen)
  }

  get title(): string {
    const waiting = this.#answerable().length
    return `${waiting === 0 ? '' : `(${waiting}) `}Approvals`
  }

  async open({ id }: Place): Promise<void> {
    this.#id = id
    this.#said.textContent = ''
    await this.#load()
    if (id !== null) this.#chosen.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async refresh(news: News): Promise<void> {
    if (news === 'approvals') await this.#load()
  }

  close(): void {}

  async #load(): Promise<void> {
    const { approvals } = await this.#api.get('/v1/approvals')
    this.#approvals = listOf(approvals).map(approvalOf)
    this.#draw()
  }

  tick(now: number): void {
    for (const element of this.root.querySelectorAll<HTMLElement>('[data-until]')) {
      const until = Number(element.dataset['until'])
      element.textContent = until > now ? `${left(until, now)} left` : 'expiring'
      element.classList.toggle('soon', until - now < 60_000)
    }
  }

  /** `j` and `k` walk the list; `r`, `a` and `d` go to the answer's parts, and Enter there says it. */
  key(name: string): boolean {
    const target = { r: '#reason', a: 'button.approve', d: 'button.deny' }[name]
    if (target !== undefined) {
      this.#chosen.querySelector<HTMLElement>(target)?.focus()
      return true
    }
    if (name !== 'j' && name !== 'k') return false
    const links = [...this.#list.querySelectorAll<HTMLAnchorElement>('a')]
    const at = links.findIndex((link) => link.getAttribute('aria-current') === 'true')
    links[Math.min(Math.max(at + (name === 'j' ? 1 : -1), 0), links.length - 1)]?.click()
    return true
  }

  #answerable(): readonly Approval[] {
    return this.#approvals.filter(({ state, mayAnswer }) => state === 'requested' && mayAnswer)
  }

  #draw(): void {
    const waiting = this.#approvals
      .filter(({ state }) => state === 'requested')
      .toSorted((a, b) => a.expiresAt - b.expiresAt)
    const settled = this.#approvals.filter(({ state }) => state !== 'requested')
    const chosen = this.#id ?? (isWide() ? (waiting[0]?.id ?? null) : null)
    this.root.classList.toggle('one', this.#id !== null)
    this.#list.replaceChildren(
      group(
        'Waiting',
        waiting,
        chosen,
        'Nothing waits for anybody. A statement that policy holds appears here by itself.',
      ),
      group('Answered', settled.slice(0, 100), chosen, 'Nothing yet.'),
    )
    this.#drawChosen(chosen)
    this.tick(Date.now())
  }

  #drawChosen(id: string | null): void {
    const approval = this.#approvals.find((each) => each.id === id)
    const shown = JSON.stringify(approval ?? id)
    if (shown === this.#shown) return
    this.#shown = shown
    if (approval === undefined) {
      this.#chosen.replaceChildren(this.#said, nothing(id))
      return
    }
    const form = answerForm(approval, (answer, reason) => this.#answer(approval, answer, reason))
    const back = h('p', { class: 'back' }, h('a', { href: '/console/approvals' }, 'All approvals'))
    this.#chosen.replaceChildren(back, this.#said, approvalDetail(approval, this.#approvals, form))
  }

  /** Null when it was taken; else what the gateway said against it. */
  async #answer(approval: Approval, answer: 'approve' | 'deny', reason: string | null): Promise<string | null> {
    try {
      const after = approvalOf(await this.#api.post(`/v1/approvals/${approval.id}/${answer}`, { reason }))
      this.#id = approval.id
      this.#said.textContent = outcome(after)
      await this.#load()
      return null
    } catch (error) {
      if (error instanceof Refusal) return textOf(error.message)
      throw error
    }
  }
}

function group(heading: string, approvals: readonly Approval[], chosen: string | null, none: string): HTMLElement {
  const id = `list-${heading.toLowerCase()}`
  return h(
    'section',
    { 'aria-labelledby': id },
    h('h2', { id }, heading, h('span', { class: 'count' }, String(approvals.length))),
    approvals.length === 0
      ? h('p', { class: 'muted' }, none)
      : h('ul', { class: 'plain' }, ...approvals.map((each) => item(each, each.id === chosen))),
  )
}

function item(approval: Approval, isChosen: boolean): HTMLElement {
  const { id, state, expiresAt, requestedAt, mayAnswer } = approval
  const time =
    state === 'requested'
      ? h('span', { class: 'left', 'data-until': String(expiresAt) })
      : h('span', {}, `${standingOf(approval)} · ${ago(requestedAt, Date.now())}`)
  return h(
    'li',
    { class: `${state}${mayAnswer ? ' yours' : ''}` },
    h(
      'a',
      { href: `/console/approvals/${id}`, 'aria-current': isChosen ? 'true' : null },
      h('span', { class: 'what' }, wanted(approval)),
      h('span', { class: 'amount' }, headline(approval)),
      h('span', { class: 'by' }, visible(who(approval)), ' · ', time),
    ),
  )
}

/** The first values that would be written: often all that tells two holds apart. */
function headline({ resources }: Approval): string {
  const written = resources.flatMap(({ parts }) =>
    parts.filter(({ uses, values }) => uses.includes('written') && values !== null),
  )
  return written
    .slice(0, 3)
    .map(({ name, values }) => `${visible(name)} ${values?.map(visible).slice(0, 2).join(', ') ?? ''}`)
    .join(' · ')
}

function nothing(id: string | null): HTMLElement {
  if (id !== null) return h('p', { class: 'empty' }, 'There is no such approval, or it is not yours to see.')
  return h(
    'div',
    { class: 'empty' },
    h('h1', { tabindex: '-1' }, 'Nothing is chosen'),
    h(
      'p',
      {},
      'Choose an approval from the list. ',
      h('kbd', {}, 'j'),
      ' and ',
      h('kbd', {}, 'k'),
      ' walk it; ',
      h('kbd', {}, 'a'),
      ', ',
      h('kbd', {}, 'd'),
      ' and ',
      h('kbd', {}, 'r'),
      ' go to approve, deny and the reason.',
    ),
  )
}

function outcome({ state, quorum, answers }: Approval): string {
  const missing = quorum - answers.filter(({ approved }) => approved).length
  if (state === 'requested') return `Your yes is recorded. ${plural(missing, 'person', 'people')} more must say yes.`
  if (state === 'denied') return 'Denied. The client is told, with your reason.'
  return 'Approved. What waited goes on, once.'
}

function isWide(): boolean {
  return window.matchMedia('(min-width: 56rem)').matches
}
