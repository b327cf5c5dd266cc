import { visible } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import { textOf, textsOf } from './api.ts'

/** What stands above every page: where one is, on which gateway, as whom. */
export function shell(me: Readonly<Record<string, unknown>>, signOut: () => Promise<void>): HTMLElement {
  const groups = textsOf(me['groups'])
  return h(
    'header',
    { class: 'top' },
    h('a', { class: 'skip', href: '#main' }, 'To the content'),
    h(
      'a',
      { class: 'brand', href: '/console/approvals' },
      'Countersign',
      h('span', { class: 'gateway' }, visible(textOf(me['gateway']))),
    ),
    h(
      'p',
      { class: 'me' },
      h('span', { title: groups.map(visible).join(', ') }, visible(textOf(me['id']))),
      button('Sign out', () => void signOut(), { class: 'quiet' }),
    ),
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
      'Agents’ requests that wait for a person are answered here. You sign in at your bank’s identity provider.',
    ),
    h('p', {}, h('a', { class: 'button', href: address }, 'Sign in')),
  )
}
