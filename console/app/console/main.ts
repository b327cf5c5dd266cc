import './console.css'
import { h } from '../dom.ts'
import { AgentsPage } from './agents-page.ts'
import { Api, objectOf, Refusal, textOf, textsOf } from './api.ts'
import { ApprovalsPage } from './approvals-page.ts'
import { ControlsPage } from './controls-page.ts'
import { DecisionsPage } from './decisions-page.ts'
import { ExportsPage } from './exports-page.ts'
import { GrantsPage } from './grants-page.ts'
import { listen } from './live.ts'
import type { Me, Page, Surroundings } from './page.ts'
import { retell } from './parts.ts'
import { PolicyPage } from './policy-page.ts'
import { ownLink, placeOf } from './router.ts'
import { SessionsPage } from './sessions-page.ts'
import { Shell, signInPage } from './shell.ts'
import { SystemPage } from './system-page.ts'

const root = document.querySelector<HTMLElement>('#console')
if (root !== null) void start(root)

const MAKERS: Readonly<Record<string, (around: Surroundings) => Page>> = {
  approvals: (around) => new ApprovalsPage(around),
  grants: (around) => new GrantsPage(around),
  decisions: (around) => new DecisionsPage(around),
  sessions: (around) => new SessionsPage(around),
  controls: (around) => new ControlsPage(around),
  exports: (around) => new ExportsPage(around),
  policy: (around) => new PolicyPage(around),
  agents: (around) => new AgentsPage(around),
  system: (around) => new SystemPage(around),
}

async function start(at: HTMLElement): Promise<void> {
  const api = new Api()
  const me = await api.me().catch(() => undefined)
  if (me === undefined) return at.replaceChildren(unreachable())
  if (me === null) return at.replaceChildren(signInPage(location.pathname))
  new Console(at, api, meOf(me)).begin()
}

/** One page at a time within the shell, by the address. */
class Console {
  readonly #at: HTMLElement
  readonly #api: Api
  readonly #shell: Shell
  readonly #around: Surroundings
  readonly #trouble: HTMLElement = h('p', { class: 'trouble banner', role: 'alert', hidden: true })
  readonly #place: HTMLElement = h('div', { class: 'place' })
  #page: Page | null = null
  #name = ''
  #path = ''

  constructor(at: HTMLElement, api: Api, me: Me) {
    this.#at = at
    this.#api = api
    this.#shell = new Shell(me, () => this.#signOut())
    this.#around = {
      api,
      me,
      go: (address, how) => this.#go(address, how),
      say: (text) => this.#shell.say(text),
    }
  }

  begin(): void {
    this.#at.replaceChildren(
      this.#shell.top,
      h('div', { class: 'frame' }, this.#shell.nav, h('div', { class: 'body' }, this.#trouble, this.#place)),
    )
    window.addEventListener('popstate', () => {
      if (location.pathname + location.search !== this.#path) this.#show() // else only the step of a replay is another
    })
    document.addEventListener('click', (event) => {
      const address = ownLink(event)
      if (address === null) return
      event.preventDefault()
      this.#go(address)
    })
    document.addEventListener('keydown', (event) => this.#key(event))
    setInterval(() => this.#tick(), 1000)
    listen({
      changed: (news) => {
        if (this.#page !== null) void this.#settled(this.#page.refresh(news), this.#page)
        if (news === 'approvals') void this.#count()
      },
      connected: (isConnected) => this.#shell.live(isConnected),
    })
    this.#show()
    void this.#count()
  }

  #go(address: string, how?: 'replace'): void {
    if (how === 'replace') history.replaceState(null, '', address)
    else history.pushState(null, '', address)
    this.#show()
  }

  #show(): void {
    const place = placeOf(location)
    this.#path = location.pathname + location.search
    if (place.page !== this.#name || this.#page === null) {
      this.#page?.close()
      this.#name = place.page
      this.#page = MAKERS[place.page]?.(this.#around) ?? new ApprovalsPage(this.#around)
      this.#place.replaceChildren(this.#page.root)
    }
    this.#shell.at(place.page)
    void this.#settled(this.#page.open(place), this.#page)
    window.scrollTo({ top: 0 })
  }

  /** Tells of trouble at the top until the next time that all is well; a session that is over begins anew. */
  async #settled(work: Promise<void>, page: Page): Promise<void> {
    try {
      await work
      this.#trouble.hidden = true
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) return location.reload()
      this.#trouble.textContent = error instanceof Refusal ? error.message : 'This page failed. Load it again.'
      this.#trouble.hidden = false
    }
    if (page === this.#page) document.title = `${page.title} · Countersign`
  }

  async #count(): Promise<void> {
    const { approvals } = await this.#api.get('/v1/approvals?state=requested').catch(() => ({ approvals: [] }))
    const mine = (Array.isArray(approvals) ? approvals : []).filter(
      (each: unknown) => objectOf(objectOf(each)['you'])['may_answer'] === true,
    )
    this.#shell.waiting('approvals', mine.length)
  }

  #tick(): void {
    this.#page?.tick(Date.now())
    retell(this.#place, Date.now())
  }

  #key(event: KeyboardEvent): void {
    const from = event.composedPath()[0]
    const isTyping = from instanceof HTMLElement && from.closest('input, textarea, select') !== null
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
    if (this.#page?.key(event.key) === true) event.preventDefault()
  }

  async #signOut(): Promise<void> {
    await this.#api.post('/v1/sign-out').catch(() => undefined)
    location.assign('/console/approvals')
  }
}

function meOf(me: Readonly<Record<string, unknown>>): Me {
  const { operates, reviews } = objectOf(me['policy'])
  return {
    id: textOf(me['id']),
    groups: textsOf(me['groups']),
    gateway: textOf(me['gateway']),
    access: textsOf(me['access']),
    operatesPolicy: operates === true,
    reviewsPolicy: reviews === true,
  }
}

function unreachable(): HTMLElement {
  return h(
    'main',
    { class: 'small' },
    h('h1', {}, 'The gateway does not answer'),
    h('p', {}, 'Load the page again in a moment.'),
  )
}
