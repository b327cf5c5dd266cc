import { TAGS, tagsOf, type Replay, type Step, type Tag } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import type { Player } from './player.ts'

/** Tags with a jump of their own, and the key for it. */
const JUMPS: readonly (readonly [Tag, string])[] = [
  ['rejected', 'r'],
  ['masked', 'm'],
  ['approved', 'a'],
]

/** Playback, jumps and filters. Tells `onFilter` which steps are left. */
export class Toolbar {
  readonly element: HTMLElement
  readonly #steps: readonly Step[]
  readonly #player: Player
  readonly #onFilter: (steps: readonly Step[]) => void
  readonly #play: HTMLButtonElement
  readonly #place: HTMLOutputElement = h('output', { class: 'place', 'aria-live': 'off' })
  readonly #checked = new Set<Tag>()
  readonly #keys: HTMLInputElement = h('input', { type: 'checkbox', id: 'keys-on', checked: true })
  #words = ''

  /** `closed`: from when on no key is this toolbar's any more. */
  constructor({ steps }: Replay, player: Player, onFilter: (steps: readonly Step[]) => void, closed: AbortSignal) {
    this.#steps = steps
    this.#player = player
    this.#onFilter = onFilter
    this.#play = button('Play', () => player.toggle(), { class: 'primary', 'aria-keyshortcuts': 'p' })
    this.element = h(
      'div',
      { class: 'toolbar' },
      h(
        'div',
        { class: 'group', role: 'group', 'aria-label': 'Playback' },
        this.#play,
        this.#step('Back', -1, 'k'),
        this.#step('Next', 1, 'j'),
        this.#speed(),
        this.#place,
      ),
      h('div', { class: 'group', role: 'group', 'aria-label': 'Jump to the next' }, ...this.#jumps()),
      this.#filter(),
    )
    document.addEventListener('keydown', (event) => this.#key(event), { signal: closed })
    this.at(null)
  }

  /** `step`: the one that is looked at. */
  at(step: Step | null): void {
    this.#place.value = step === null ? `${this.#steps.length} steps` : `${step.number} of ${this.#steps.length}`
  }

  playing(is: boolean): void {
    this.#play.textContent = is ? 'Pause' : 'Play'
  }

  #step(label: string, by: 1 | -1, key: string): HTMLElement {
    return button(label, () => this.#move(by), { 'aria-keyshortcuts': key })
  }

  #move(by: 1 | -1): void {
    this.#player.pause()
    this.#player.move(by)
  }

  #jump(tag: Tag): void {
    this.#player.pause()
    this.#player.jump(tag)
  }

  #speed(): HTMLElement {
    const options = [1, 4, 16, 60].map((speed) => h('option', { value: String(speed) }, `${speed}×`))
    const select = h('select', { 'aria-label': 'Speed' }, ...options)
    select.addEventListener('change', () => {
      this.#player.speed = Number(select.value)
    })
    return select
  }

  #jumps(): readonly HTMLElement[] {
    return JUMPS.map(([tag, key]) => {
      const some = this.#steps.some((step) => tagsOf(step).includes(tag))
      return button(`Next ${tag}`, () => this.#jump(tag), { 'aria-keyshortcuts': key, disabled: !some })
    })
  }

  #filter(): HTMLElement {
    const there = TAGS.filter((tag) => this.#steps.some((step) => tagsOf(step).includes(tag)))
    const search = h('input', { type: 'search', placeholder: 'Find in statements', 'aria-label': 'Find in statements' })
    search.addEventListener('input', () => {
      this.#words = search.value.toLowerCase()
      this.#apply()
    })
    const keys = h(
      'label',
      { class: 'toggle', title: 'j next, k back, p play, r rejected, m masked, a approved' },
      this.#keys,
      'Keys',
    )
    return h(
      'div',
      { class: 'group', role: 'group', 'aria-label': 'Show only' },
      ...there.map((tag) => this.#toggle(tag)),
      search,
      keys,
    )
  }

  #toggle(tag: Tag): HTMLElement {
    const box = h('input', { type: 'checkbox', value: tag })
    box.addEventListener('change', () => {
      if (box.checked) this.#checked.add(tag)
      else this.#checked.delete(tag)
      this.#apply()
    })
    return h('label', { class: 'toggle' }, box, tag)
  }

  #apply(): void {
    const shown = this.#steps.filter((step) => this.#isShown(step))
    this.#player.show(shown)
    this.#onFilter(shown)
  }

  #isShown(step: Step): boolean {
    const tags = tagsOf(step)
    const tagged = this.#checked.size === 0 || tags.some((tag) => this.#checked.has(tag))
    const names = step.resources.map(({ name }) => name)
    const text = [step.statement ?? '', step.action, ...names, ...step.reasons.map(({ rule }) => rule)].join('\n')
    return tagged && text.toLowerCase().includes(this.#words)
  }

  /** Single keys, which who uses speech or a reader can turn off (WCAG 2.1.4). */
  #key(event: KeyboardEvent): void {
    if (!this.#keys.checked || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.composedPath()[0]))
      return
    const jump = JUMPS.find(([, key]) => key === event.key)
    if (jump !== undefined) this.#jump(jump[0])
    else if (event.key === 'j') this.#move(1)
    else if (event.key === 'k') this.#move(-1)
    else if (event.key === 'p') this.#player.toggle()
    else return
    event.preventDefault()
  }
}

/** `target`: where the key was pressed, inside a shadow root too. */
function isTyping(target: EventTarget | undefined): boolean {
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox'
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}
