import { visible } from '../../../engine/replay/browser.ts'
import { h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf } from './api.ts'
import { numberOf } from './decision.ts'
import type { Page, Place, Surroundings } from './page.ts'
import { chip, command, empty, id as idOf, moment, number, pageHead } from './parts.ts'

type Json = Readonly<Record<string, unknown>>

const FIELDS = [
  ['from', 'From (UTC)', 'date'],
  ['to', 'Before (UTC)', 'date'],
  ['control', 'Control', 'text'],
  ['agent', 'Agent', 'text'],
  ['session', 'Session', 'text'],
] as const

/** Evidence to take away: a bundle that an auditor checks offline. Who takes it is recorded first. */
export class ExportsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly title = 'Exports'
  readonly #around: Surroundings
  readonly #list: HTMLElement = h('div', { class: 'exports', 'aria-live': 'polite' })
  readonly #trouble: HTMLElement = h('p', { class: 'trouble', role: 'alert' })
  readonly #form: HTMLFormElement
  #isMaking = false
  #shown = ''

  constructor(around: Surroundings) {
    this.#around = around
    this.#form = this.#makeForm()
    this.root.append(
      pageHead(
        'Exports',
        'Records with proofs to a signed checkpoint, recordings, reports: one archive that an auditor checks offline.',
      ),
      this.#form,
      h('h2', {}, 'Yours'),
      this.#list,
    )
  }

  async open({ query }: Place): Promise<void> {
    for (const [name] of FIELDS) {
      const field = this.#form.elements.namedItem(name)
      const value = query.get(name)
      if (field instanceof HTMLInputElement && value !== null) field.value = value
    }
    await this.#look()
  }

  async refresh(): Promise<void> {}

  tick(now: number): void {
    if (this.#isMaking && Math.floor(now / 1000) % 2 === 0) void this.#look()
  }

  key(): boolean {
    return false
  }

  close(): void {}

  #makeForm(): HTMLFormElement {
    const fields = FIELDS.map(([name, label, type]) =>
      h(
        'label',
        { for: `export-${name}` },
        h('span', {}, label),
        h('input', { id: `export-${name}`, name, type, autocomplete: 'off' }),
      ),
    )
    const reason = h(
      'label',
      { for: 'export-reason', class: 'broad' },
      h('span', {}, 'What it is for'),
      h('input', { id: 'export-reason', name: 'reason', type: 'text', maxlength: '500', autocomplete: 'off' }),
    )
    const send = h('button', { type: 'submit', class: 'primary' }, 'Make the bundle')
    const form = h(
      'form',
      { class: 'filter card', 'aria-label': 'A new export' },
      ...fields,
      reason,
      send,
      this.#trouble,
      h(
        'p',
        { class: 'muted broad' },
        'Leave a field empty to take everything. Reports come along where it is not about one agent or session. That you took it is recorded in evidence, with your name and what it is for.',
      ),
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#begin(new FormData(form))
    })
    return form
  }

  async #begin(given: FormData): Promise<void> {
    const value = (name: string): string | null => {
      const text = given.get(name)
      return typeof text === 'string' && text.trim() !== '' ? text.trim() : null
    }
    const day = (name: string): string | null => (value(name) === null ? null : `${value(name)}T00:00:00Z`)
    const asked = {
      from: day('from'),
      to: day('to'),
      control: value('control'),
      agent: value('agent'),
      session: value('session'),
      reason: value('reason'),
    }
    this.#trouble.textContent = ''
    try {
      await this.#around.api.post('/v1/exports', asked)
      this.#around.say('The bundle is being made.')
      await this.#look()
    } catch (error) {
      this.#trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
    }
  }

  async #look(): Promise<void> {
    const answer = await this.#around.api.get('/v1/exports')
    const all = listOf(answer['exports']).map(objectOf)
    this.#isMaking = all.some(({ state }) => state === 'making')
    const shown = JSON.stringify(all)
    if (shown === this.#shown) return
    this.#shown = shown
    this.#list.replaceChildren(
      ...(all.length === 0
        ? [empty('None yet', 'A bundle that you make is here for a day, or until the gateway is started again.')]
        : all.map(one)),
    )
  }
}

function one(made: Json): HTMLElement {
  const id = textOf(made['id'])
  const state = textOf(made['state'])
  const query = Object.entries(objectOf(made['query'])).filter(([, value]) => value !== null)
  const scope =
    query.length === 0 ? 'all evidence' : query.map(([name, value]) => `${name} ${visible(textOf(value))}`).join(', ')
  const progress = objectOf(made['progress'])
  const problem = objectOf(made['problem'])
  const records = numberOf(made['records'])
  const tones: Readonly<Record<string, string>> = { ready: 'forward', making: 'hold', failed: 'reject' }
  const download = h('a', { class: 'button', href: `/v1/exports/${id}/bundle`, download: true }, 'Download')
  return h(
    'section',
    { class: 'card export' },
    h(
      'p',
      { class: 'standing' },
      chip(state, tones[state] ?? ''),
      h('strong', {}, scope),
      moment(textOf(made['asked_at'])),
    ),
    state === 'making' && progress['of'] !== undefined
      ? h(
          'p',
          { class: 'muted' },
          `${visible(textOf(progress['phase']))}: ${number(numberOf(progress['done']) ?? 0)} of ${number(numberOf(progress['of']) ?? 0)}`,
        )
      : null,
    state === 'failed' ? h('p', { class: 'trouble' }, visible(textOf(problem['detail']))) : null,
    state === 'ready'
      ? terms([
          ['Records', records === null ? null : number(records)],
          ['Manifest', idOf(textOf(made['manifest']), 24)],
          ['Witnessed', made['witnessed'] === true ? 'yes' : 'no: only the log’s own key signed it'],
        ])
      : null,
    state === 'ready' ? h('div', { class: 'actions' }, download) : null,
    state === 'ready' ? command(`countersign evidence verify evidence-bundle --log-key log.pub`) : null,
  )
}
