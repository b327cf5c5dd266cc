import { button, h } from '../dom.ts'
import { Refusal, listOf, textOf, type Api } from './api.ts'
import { failed, loading } from './parts.ts'

export interface FeedOptions {
  readonly api: Api
  /** The member of an answer that has the rows. */
  readonly member: string
  item(row: unknown): HTMLElement
  /** What is shown where there is none. */
  none(): HTMLElement
}

/** Rows of an answer of the API, newest first, and more of them for who asks. */
export class Feed {
  readonly element: HTMLElement = h('div', { class: 'feed' })
  readonly #options: FeedOptions
  readonly #list: HTMLUListElement = h('ul', { class: 'plain rows' })
  readonly #below: HTMLElement = h('div', { class: 'below' })
  #path = ''
  #next = ''
  /** Pages beyond the first were asked for: what is new is told, and doesn't move what is read. */
  #isDeep = false
  #shown = ''

  constructor(options: FeedOptions) {
    this.#options = options
    this.element.append(this.#list, this.#below)
  }

  /** `path` with its query, without a cursor. */
  async open(path: string): Promise<void> {
    if (path !== this.#path) {
      this.#path = path
      this.#isDeep = false
      this.#shown = ''
      this.#list.replaceChildren()
      this.#below.replaceChildren(loading())
    }
    await this.refresh()
  }

  async refresh(): Promise<void> {
    if (this.#path === '' || this.#isDeep) return
    const path = this.#path
    try {
      const answer = await this.#options.api.get(path)
      if (path === this.#path && !this.#isDeep) this.#draw(answer)
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.#below.replaceChildren(failed(error.message, () => void this.refresh()))
    }
  }

  #draw(answer: Readonly<Record<string, unknown>>): void {
    const shown = JSON.stringify(answer)
    if (shown === this.#shown) return
    this.#shown = shown
    const rows = listOf(answer[this.#options.member])
    const at = focusedIn(this.#list)
    this.#list.replaceChildren(...rows.map((row) => this.#options.item(row)))
    if (at !== null)
      this.#list.querySelector<HTMLElement>(`a[href="${CSS.escape(at)}"]`)?.focus({ preventScroll: true })
    this.#more(textOf(answer['next']), rows.length)
  }

  #more(next: string, count: number): void {
    this.#next = next
    const older = next === '' ? null : button('Show older', () => void this.#older())
    const none = count === 0 && next === '' && this.#list.childElementCount === 0 ? this.#options.none() : null
    this.#below.replaceChildren(...[none, older].filter((each) => each !== null))
  }

  async #older(): Promise<void> {
    this.#isDeep = true
    const joint = this.#path.includes('?') ? '&' : '?'
    try {
      const answer = await this.#options.api.get(`${this.#path}${joint}cursor=${this.#next}`)
      const rows = listOf(answer[this.#options.member]).map((row) => this.#options.item(row))
      this.#list.append(...rows)
      this.#more(textOf(answer['next']), this.#list.childElementCount)
      rows[0]?.querySelector('a')?.focus()
    } catch (error) {
      const why = error instanceof Refusal ? error.message : 'That failed.'
      this.#below.replaceChildren(failed(why, () => void this.#older()))
    }
  }
}

function focusedIn(list: HTMLElement): string | null {
  const active = document.activeElement
  return active instanceof HTMLAnchorElement && list.contains(active) ? active.getAttribute('href') : null
}
