import { parseSessionEvidence, visible } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import replayStyle from '../replay/replay.css?inline'
import { replayView, type ReplayView } from '../replay/view.ts'
import { Refusal, textOf } from './api.ts'
import { numberOf } from './decision.ts'
import type { Surroundings } from './page.ts'
import { failed, id as idOf, link, loading, moment } from './parts.ts'
import { plural } from './wording.ts'

/**
 * One session inside the console: what it was, and, once an auditor asks, its replay out of the evidence itself, which is
 * checked here in the browser. The replay keeps its own style in a shadow root.
 */
export class SessionReplay {
  readonly element: HTMLElement = h('div', { class: 'replaying', hidden: true })
  readonly #around: Surroundings
  #id: string | null = null
  #view: ReplayView | null = null

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open(id: string): Promise<void> {
    if (id === this.#id) return
    this.close()
    this.#id = id
    this.element.hidden = false
    this.element.replaceChildren(back(), loading())
    try {
      const session = await this.#around.api.get(`/v1/sessions/${encodeURIComponent(id)}`)
      if (id === this.#id) this.#draw(id, session)
    } catch (error) {
      this.#failed(error, () => void this.#again(id))
    }
  }

  close(): void {
    this.#view?.close()
    this.#view = null
    this.#id = null
    this.element.hidden = true
    this.element.replaceChildren()
  }

  async #again(id: string): Promise<void> {
    this.#id = null
    await this.open(id)
  }

  #draw(id: string, session: Readonly<Record<string, unknown>>): void {
    const isAuditor = this.#around.me.access.includes('auditor')
    const place = h('div', { class: 'replay-place' })
    const start = button('Replay it', () => void this.#replay(id, place, start), { class: 'primary' })
    const closed = textOf(session['closed'])
    const about = h(
      'header',
      { class: 'head' },
      h(
        'div',
        {},
        h('h1', { tabindex: '-1' }, `${visible(textOf(session['agent']))} on ${visible(textOf(session['plane']))}`),
        h(
          'p',
          { class: 'lede' },
          plural(numberOf(session['decisions']) ?? 0, 'decision'),
          ', opened ',
          moment(textOf(session['opened'])),
          closed === '' ? ', still open' : ', ended ',
          closed === '' ? null : moment(closed),
          ' · ',
          idOf(id),
        ),
      ),
      h(
        'div',
        { class: 'actions' },
        h(
          'a',
          { class: 'button quiet', href: `/console/decisions?session=${encodeURIComponent(id)}` },
          'Its decisions',
        ),
        isAuditor ? start : null,
      ),
    )
    const note = isAuditor
      ? 'A replay shows what the client was shown. That you looked is recorded in evidence, with your name.'
      : 'Replays are for auditors (api.auditors in the gateway’s configuration): they show what was sent and answered.'
    this.element.replaceChildren(back(), about, place)
    place.replaceChildren(h('p', { class: 'note' }, note))
    this.element.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async #replay(id: string, place: HTMLElement, start: HTMLButtonElement): Promise<void> {
    start.disabled = true
    place.replaceChildren(
      h('p', { class: 'loading', role: 'status' }, 'Gathering the session’s evidence and its proofs …'),
    )
    try {
      const answer = { evidence: await this.#around.api.get(`/v1/sessions/${encodeURIComponent(id)}/evidence`) }
      const evidence = parseSessionEvidence(Reflect.get(Object(answer), 'evidence'))
      if (id !== this.#id) return
      if (evidence === undefined) throw new Refusal(0, '', 'what came is no evidence of a session')
      start.hidden = true
      this.#show(place, evidence)
    } catch (error) {
      start.disabled = false
      place.replaceChildren(
        failed(error instanceof Refusal ? error.message : 'That failed.', () => void this.#replay(id, place, start)),
      )
    }
  }

  #show(place: HTMLElement, evidence: NonNullable<ReturnType<typeof parseSessionEvidence>>): void {
    const host = h('div', { class: 'replay-host' })
    const root = host.attachShadow({ mode: 'open' })
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(replayStyle + WITHIN)
    root.adoptedStyleSheets = [sheet]
    this.#view = replayView(root, evidence, [])
    const body = h('div', { class: 'replay' }, ...this.#view.parts)
    body.addEventListener('click', (event) => jump(root, event))
    root.append(body)
    place.replaceChildren(host)
    void this.#view.check()
  }

  #failed(error: unknown, again: () => void): void {
    if (!(error instanceof Refusal) || error.status === 401) throw error
    this.element.replaceChildren(back(), failed(error.message, again))
  }
}

/** What a page of its own has, and one inside the console has around it. */
const WITHIN = `
.replay { max-width: none; margin: 0; padding: 0 }
.summary .eyebrow, .summary h1 { display: none }
.toolbar { top: 3.25rem }
`

function back(): HTMLElement {
  return h('p', { class: 'back always' }, link('/console/sessions', 'All sessions'))
}

/** An address ends at the shadow root: what a link there points to is found here. Steps are found by the replay itself. */
function jump(root: ShadowRoot, event: Event): void {
  const from = event.target instanceof Element ? event.target.closest('a') : null
  const target = from?.getAttribute('href') ?? ''
  if (!/^#(check-|integrity)/.test(target)) return
  event.preventDefault()
  root.querySelector(target)?.scrollIntoView({ block: 'start' })
}
