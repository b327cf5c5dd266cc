import { VERDICTS, visible } from '../../../engine/replay/browser.ts'
import { button, h } from '../dom.ts'
import { ago } from './wording.ts'

type Child = Node | string | null

/** What several pages are made of. Text that an agent may have had a say in goes through `visible`. */

/** How often something was let through, masked, held or refused: a word and a shape, never a colour alone. */
export function verdictChip(verdict: string): HTMLElement {
  const words: Readonly<Record<string, string>> = VERDICTS
  return h(
    'span',
    { class: `chip ${verdict}` },
    h('span', { class: 'shape', 'aria-hidden': 'true' }),
    words[verdict] ?? visible(verdict),
  )
}

/** The same of what a rule does, whenever it speaks. */
export function ruleChip(verdict: string): HTMLElement {
  const shape = h('span', { class: 'shape', 'aria-hidden': 'true' })
  return h('span', { class: `chip ${verdict}` }, shape, DOES[verdict] ?? visible(verdict))
}

const DOES: Readonly<Record<string, string>> = {
  forward: 'forwards',
  mask: 'masks',
  hold: 'holds',
  reject: 'rejects',
  limit: 'limits',
}

export function chip(text: string, tone = ''): HTMLElement {
  return h('span', { class: `chip ${tone}` }, visible(text))
}

/** A moment as people say it, exact for who points at it. `since`: RFC 3339, or milliseconds. */
export function moment(since: string | number): HTMLElement {
  const at = typeof since === 'number' ? since : Date.parse(since)
  if (Number.isNaN(at)) return h('span', {}, '–')
  const exact = new Date(at).toISOString()
  return h(
    'time',
    { datetime: exact, 'data-at': String(at), title: `${exact.slice(0, 19).replace('T', ' ')} UTC` },
    ago(at, Date.now()),
  )
}

/** Brings every moment on the page up to now. */
export function retell(root: ParentNode, now: number): void {
  for (const each of root.querySelectorAll<HTMLElement>('time[data-at]')) {
    const text = ago(Number(each.dataset['at']), now)
    if (each.textContent !== text) each.textContent = text
  }
}

/** An id, cut for the eye, whole to point at, and copied by a click. */
export function id(text: string, length = 13): HTMLElement {
  const shown = visible(text)
  const short = shown.length > length + 2 ? `${shown.slice(0, length)}…` : shown
  const copy = button(short, () => void copied(copy, text), {
    class: 'id',
    title: `Copy ${shown}`,
  })
  return copy
}

/** A command to run elsewhere, copied by a click. */
export function command(text: string): HTMLElement {
  const copy = button('Copy', () => void copied(copy, text), { class: 'quiet' })
  return h('div', { class: 'command' }, h('code', { tabindex: '0' }, visible(text)), copy)
}

async function copied(from: HTMLButtonElement, text: string): Promise<void> {
  const before = from.textContent
  from.textContent = await navigator.clipboard.writeText(text).then(
    () => 'Copied',
    () => 'Select it', // a browser that doesn't let pages copy
  )
  setTimeout(() => {
    from.textContent = before
  }, 1200)
}

/** Nothing is here: what that means, and what to do next. */
export function empty(heading: string, ...next: readonly Child[]): HTMLElement {
  return h('div', { class: 'empty' }, h('h2', {}, heading), ...next.map((each) => h('p', {}, each)))
}

export function loading(): HTMLElement {
  return h('p', { class: 'loading', role: 'status' }, 'Loading …')
}

/** What went wrong, in the gateway's words, and another try. */
export function failed(why: string, again: () => void): HTMLElement {
  return h('div', { class: 'trouble', role: 'alert' }, h('p', {}, why), button('Try again', again))
}

export function pageHead(heading: string, lede: Child, ...actions: readonly Child[]): HTMLElement {
  return h(
    'header',
    { class: 'head' },
    h('div', {}, h('h1', { tabindex: '-1' }, heading), lede === null ? null : h('p', { class: 'lede' }, lede)),
    actions.length === 0 ? null : h('div', { class: 'actions' }, ...actions),
  )
}

/** A number and what it counts. */
export function figure(value: string, label: string, tone = ''): HTMLElement {
  return h('div', { class: `figure ${tone}` }, h('dt', {}, label), h('dd', {}, value))
}

export function link(address: string, ...children: readonly Child[]): HTMLElement {
  return h('a', { href: address }, ...children)
}

export function controlLink(control: string): HTMLElement {
  return h('a', { class: 'control', href: `/console/controls/${encodeURIComponent(control)}` }, visible(control))
}

export function card(heading: string, ...children: readonly Child[]): HTMLElement {
  return h('section', { class: 'card' }, h('h2', {}, heading), ...children)
}

/** Whatever a record says, as it stands. */
export function raw(value: unknown, summary: string): HTMLElement {
  const text = JSON.stringify(value, null, 2).split('\n').map(visible).join('\n')
  return h('details', { class: 'raw' }, h('summary', {}, summary), h('pre', { tabindex: '0' }, h('code', {}, text)))
}

export function number(value: number): string {
  return value.toLocaleString('en')
}

/** Microseconds as people read them. */
export function micros(value: number | null): string {
  if (value === null) return '–'
  if (value < 1_000) return `${value} µs`
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)} ms`
  return `${(value / 1_000_000).toFixed(1)} s`
}
