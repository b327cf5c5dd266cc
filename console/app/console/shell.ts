import { visible } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import type { Me } from './page.ts'

/** Where one can go, and who may: a link that would be refused isn't offered. The API refuses all the same. */
interface Way {
  readonly page: string
  readonly label: string
  readonly group: string
  readonly isFor: (me: Me) => boolean
}

const looks = ({ access }: Me): boolean => access.some((role) => role !== 'approver')
const audits = ({ access }: Me): boolean => access.includes('auditor')

const WAYS: readonly Way[] = [
  { page: 'approvals', label: 'Approvals', group: 'People', isFor: () => true },
  { page: 'grants', label: 'Grants', group: 'People', isFor: () => true },
  { page: 'decisions', label: 'Decisions', group: 'Evidence', isFor: looks },
  { page: 'sessions', label: 'Sessions', group: 'Evidence', isFor: looks },
  { page: 'controls', label: 'Controls', group: 'Evidence', isFor: looks },
  { page: 'exports', label: 'Exports', group: 'Evidence', isFor: audits },
  {
    page: 'policy',
    label: 'Policy',
    group: 'Rules',
    isFor: (me) => audits(me) || me.operatesPolicy || me.reviewsPolicy,
  },
  { page: 'agents', label: 'Agents', group: 'Rules', isFor: looks },
  { page: 'system', label: 'System', group: 'Gateway', isFor: looks },
]

/** What stands around every page: where one is, where else to go, on which gateway, as whom, and whether news come. */
export class Shell {
  readonly top: HTMLElement
  readonly nav: HTMLElement
  readonly #live: HTMLElement = h('span', { class: 'live', role: 'status' })
  readonly #said: HTMLElement = h('p', { class: 'toast', role: 'status' })
  readonly #menu: HTMLButtonElement
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(me: Me, signOut: () => Promise<void>) {
    this.nav = navigation(me)
    this.#menu = button('Menu', () => this.#open(this.#menu.getAttribute('aria-expanded') !== 'true'), {
      class: 'menu quiet',
      'aria-expanded': 'false',
      'aria-controls': 'ways',
    })
    this.top = h(
      'header',
      { class: 'top' },
      h('a', { class: 'skip', href: '#main' }, 'To the content'),
      this.#menu,
      h(
        'a',
        { class: 'brand', href: '/console/approvals' },
        'Countersign',
        h('span', { class: 'gateway' }, visible(me.gateway)),
      ),
      this.#live,
      h(
        'p',
        { class: 'me' },
        h('span', { title: me.groups.map(visible).join(', ') }, visible(me.id)),
        button('Sign out', () => void signOut(), { class: 'quiet' }),
      ),
      this.#said,
    )
    this.nav.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return
      this.#open(false)
      this.#menu.focus()
    })
  }

  /** Marks where one is. */
  at(page: string): void {
    this.#open(false)
    for (const each of this.nav.querySelectorAll('a')) {
      if (each.dataset['page'] === page) each.setAttribute('aria-current', 'page')
      else each.removeAttribute('aria-current')
    }
  }

  /** How many things on a page wait for who is signed in. */
  waiting(page: string, count: number): void {
    const badge = this.nav.querySelector<HTMLElement>(`a[data-page="${page}"] .badge`)
    if (badge === null) return
    badge.textContent = count === 0 ? '' : String(count)
    badge.hidden = count === 0
  }

  live(isConnected: boolean): void {
    this.#live.textContent = isConnected ? 'Live' : 'Reconnecting …'
    this.#live.classList.toggle('off', !isConnected)
  }

  say(text: string): void {
    clearTimeout(this.#timer)
    this.#said.textContent = text
    this.#timer = setTimeout(() => {
      this.#said.textContent = ''
    }, 6000)
  }

  #open(isOpen: boolean): void {
    this.#menu.setAttribute('aria-expanded', String(isOpen))
    this.nav.classList.toggle('open', isOpen)
  }
}

function navigation(me: Me): HTMLElement {
  const ways = WAYS.filter(({ isFor }) => isFor(me))
  const groups = [...new Set(ways.map(({ group }) => group))]
  return h(
    'nav',
    { id: 'ways', class: 'ways', 'aria-label': 'Pages' },
    ...groups.flatMap((group) => [
      h('h2', {}, group),
      h(
        'ul',
        { class: 'plain' },
        ...ways
          .filter((way) => way.group === group)
          .map(({ page, label }) =>
            h(
              'li',
              {},
              h(
                'a',
                { href: `/console/${page}`, 'data-page': page },
                label,
                h('span', { class: 'badge', hidden: true }),
              ),
            ),
          ),
      ),
    ]),
  )
}

/** For who has no session: one thing to do. */
export function signInPage(path: string): HTMLElement {
  const address = `/console/sign-in?return=${encodeURIComponent(path)}`
  return h(
    'main',
    { class: 'small' },
    h('h1', {}, 'Countersign'),
    h(
      'p',
      {},
      'Agents’ requests that wait for a person are answered here, and what agents did is looked up. You sign in at your bank’s identity provider.',
    ),
    h('p', {}, h('a', { class: 'button', href: address }, 'Sign in')),
  )
}
