import { button, h } from '../dom.ts'

/** One thing that a list can be narrowed by. */
export interface Choice {
  readonly name: string
  readonly label: string
  /** Value and words; the first is everything. Absent: a moment is typed. */
  readonly options: readonly (readonly [string, string])[] | null
}

/** Narrows a list: each change tells the whole query, which the page puts into its address. */
export class FilterBar {
  readonly element: HTMLDetailsElement
  readonly #fields = new Map<string, HTMLSelectElement | HTMLInputElement>()
  readonly #onChange: (query: URLSearchParams) => void
  readonly #reset: HTMLButtonElement
  readonly #summary: HTMLElement = h('summary', {}, 'Filters')

  constructor(label: string, choices: readonly Choice[], onChange: (query: URLSearchParams) => void) {
    this.#onChange = onChange
    this.#reset = button('Clear filters', () => this.#onChange(new URLSearchParams()), { class: 'quiet', hidden: true })
    const fields = choices.map((choice) => this.#field(choice))
    const form = h('form', { class: 'filter', 'aria-label': label }, ...fields, this.#reset)
    form.addEventListener('submit', (event) => event.preventDefault())
    form.addEventListener('change', () => this.#tell())
    // Where there is room they are open; else what is under them comes first.
    const isRoomy = window.matchMedia('(min-width: 56rem)').matches
    this.element = h('details', { class: 'filters', open: isRoomy }, this.#summary, form)
  }

  /** What is chosen, and what more can be chosen from than at first. */
  show(query: URLSearchParams): void {
    for (const [name, field] of this.#fields) {
      const value = query.get(name) ?? ''
      if (
        field instanceof HTMLSelectElement &&
        value !== '' &&
        ![...field.options].some((each) => each.value === value)
      ) {
        field.append(new Option(value, value))
      }
      field.value = field instanceof HTMLInputElement ? local(value) : value
    }
    const set = [...query.keys()].filter((name) => this.#fields.has(name)).length
    this.#reset.hidden = set === 0
    this.#summary.textContent = set === 0 ? 'Filters' : `Filters (${set})`
  }

  offer(name: string, values: readonly string[]): void {
    const field = this.#fields.get(name)
    if (!(field instanceof HTMLSelectElement)) return
    const known = new Set([...field.options].map(({ value }) => value))
    for (const value of values) if (!known.has(value)) field.append(new Option(value, value))
  }

  #field({ name, label, options }: Choice): HTMLElement {
    const id = `filter-${name}`
    const field =
      options === null
        ? h('input', { id, name, type: 'datetime-local' })
        : h('select', { id, name }, ...options.map(([value, words]) => h('option', { value }, words)))
    this.#fields.set(name, field)
    return h('label', { for: id }, h('span', {}, label), field)
  }

  #tell(): void {
    const query = new URLSearchParams()
    for (const [name, field] of this.#fields) {
      const value = field instanceof HTMLInputElement ? instant(field.value) : field.value
      if (value !== '') query.set(name, value)
    }
    this.#onChange(query)
  }
}

/** A field for moments has no zone; all times here are UTC, as evidence has them. */
function local(text: string): string {
  return text.slice(0, 16)
}

function instant(text: string): string {
  if (text === '') return ''
  return `${text.length === 16 ? `${text}:00` : text}Z`
}
