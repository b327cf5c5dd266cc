import './console.css'
import { h } from '../dom.ts'
import { Api, Refusal } from './api.ts'
import { ApprovalsPage } from './approvals-page.ts'
import type { Page } from './page.ts'
import { shell, signInPage } from './shell.ts'

const root = document.querySelector<HTMLElement>('#console')
if (root !== null) void start(root)

async function start(at: HTMLElement): Promise<void> {
  const api = new Api()
  const me = await api.me().catch(() => undefined)
  if (me === undefined)
    return at.replaceChildren(
      h(
        'main',
        { class: 'small' },
        h('h1', {}, 'The gateway does not answer'),
        h('p', {}, 'Load the page again in a moment.'),
      ),
    )
  if (me === null) return at.replaceChildren(signInPage(location.pathname))
  const trouble = h('p', { class: 'trouble banner', role: 'alert', hidden: true })
  const page: Page = new ApprovalsPage(api)
  at.replaceChildren(
    shell(me, () => signOut(api)),
    trouble,
    page.root,
  )
  const show = (work: Promise<void>): void => void settled(work, page, trouble)
  const go = (): void => show(page.open(idIn(location.pathname)))
  window.addEventListener('popstate', go)
  document.addEventListener('click', (event) => {
    const address = ownLink(event)
    if (address === null) return
    event.preventDefault()
    history.pushState(null, '', address)
    go()
  })
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
    if (page.key(event.key)) event.preventDefault()
  })
  setInterval(() => page.tick(Date.now()), 1000)
  listen(() => show(page.refresh()))
  go()
}

/** Tells of trouble at the top until the next time that all is well; a session that is over begins anew. */
async function settled(work: Promise<void>, page: Page, trouble: HTMLElement): Promise<void> {
  try {
    await work
    trouble.hidden = true
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return location.reload()
    trouble.textContent = error instanceof Refusal ? error.message : 'This page failed. Load it again.'
    trouble.hidden = false
  }
  document.title = `${page.title} · Countersign`
}

function listen(changed: () => void): void {
  const events = new EventSource('/v1/events')
  events.addEventListener('approvals', changed)
  events.addEventListener('error', changed) // the browser connects again by itself; what is missed meanwhile is asked for
}

function idIn(path: string): string | null {
  return /^\/console\/approvals\/([\w-]+)$/.exec(path)?.[1] ?? null
}

/** Where a plain click on a link within the console leads. */
function ownLink(event: MouseEvent): string | null {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return null
  const link = event.target instanceof Element ? event.target.closest('a') : null
  const address = link?.getAttribute('href') ?? ''
  return address.startsWith('/console/approvals') ? address : null
}

async function signOut(api: Api): Promise<void> {
  await api.post('/v1/sign-out').catch(() => undefined)
  location.assign('/console/approvals')
}
