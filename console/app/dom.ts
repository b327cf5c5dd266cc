import { visible } from '../../engine/replay/browser.ts'

type Attributes = Readonly<Record<string, string | boolean | null>>
type Child = Node | string | null

/**
 * An element of a page. Text is text: there is no way here to have evidence read as markup. `true`: an attribute without a
 * value; `null` and `false`: none.
 */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(attribute, value === true ? '' : value)
  }
  element.append(...children.filter((child) => child !== null))
  return element
}

/** A list of terms, each with what it stands for; those without are left out. */
export function terms(pairs: readonly (readonly [string, Child])[]): HTMLDListElement {
  const there = pairs.filter(([, value]) => value !== null && value !== '')
  return h('dl', { class: 'terms' }, ...there.flatMap(([term, value]) => [h('dt', {}, term), h('dd', {}, value)]))
}

export function section(id: string, heading: string, ...children: readonly Child[]): HTMLElement {
  return h('section', { id, 'aria-labelledby': `${id}-h` }, h('h2', { id: `${id}-h` }, heading), ...children)
}

export function card(heading: string, ...children: readonly Child[]): HTMLElement {
  return h('section', { class: 'card' }, h('h2', {}, heading), ...children)
}

/** A digest, cut for the eye and whole for whoever points at it or copies it. */
export function digest(hex: string): HTMLElement {
  const text = visible(hex)
  return h('code', { class: 'digest', title: text }, text.length > 16 ? `${text.slice(0, 12)}…` : text)
}

export function button(label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h('button', { type: 'button', ...attributes }, label)
  element.addEventListener('click', onClick)
  return element
}
