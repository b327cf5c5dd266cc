import { h } from '../dom.ts'
import { Refusal } from './api.ts'
import type { Surroundings } from './page.ts'

const FIELDS = [
  ['agent', 'Agent (empty: yourself)', ''],
  ['plane', 'Plane', 'postgres'],
  ['actions', 'Actions, by commas', 'read, postgres.update'],
  ['resources', 'Resources, by commas', 'public.transfers'],
  ['minutes', 'Minutes', '60'],
] as const

/** Asks for access ahead. Who answers it is policy's to say. */
export class GrantForm {
  readonly element: HTMLElement
  readonly #around: Surroundings
  readonly #trouble: HTMLElement = h('p', { class: 'trouble broad', role: 'alert' })
  readonly #done: () => Promise<void>

  constructor(around: Surroundings, done: () => Promise<void>) {
    this.#around = around
    this.#done = done
    const fields = FIELDS.map(([name, label, hint]) =>
      h(
        'label',
        { for: `grant-${name}` },
        h('span', {}, label),
        h('input', {
          id: `grant-${name}`,
          name,
          type: name === 'minutes' ? 'number' : 'text',
          min: name === 'minutes' ? '1' : null,
          placeholder: hint === '' ? null : hint,
          autocomplete: 'off',
          required: name !== 'agent',
        }),
      ),
    )
    const reason = h(
      'label',
      { for: 'grant-reason', class: 'broad' },
      h('span', {}, 'What it is for'),
      h('input', {
        id: 'grant-reason',
        name: 'reason',
        type: 'text',
        maxlength: '2000',
        required: true,
        autocomplete: 'off',
      }),
    )
    const form = h(
      'form',
      { class: 'filter', 'aria-label': 'Ask for access' },
      ...fields,
      reason,
      h('button', { type: 'submit', class: 'primary' }, 'Ask for it'),
      this.#trouble,
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#ask(form)
    })
    this.element = h('details', { class: 'card' }, h('summary', {}, 'Ask for access'), form)
  }

  async #ask(form: HTMLFormElement): Promise<void> {
    const given = new FormData(form)
    const text = (name: string): string => {
      const value = given.get(name)
      return typeof value === 'string' ? value.trim() : ''
    }
    const names = (name: string): readonly string[] =>
      text(name)
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '')
    this.#trouble.textContent = ''
    try {
      await this.#around.api.post('/v1/grants', {
        ...(text('agent') === '' ? {} : { agent: text('agent') }),
        plane: text('plane'),
        actions: names('actions'),
        resources: names('resources'),
        seconds: Math.round(Number(text('minutes')) * 60),
        reason: text('reason'),
      })
      form.reset()
      this.#around.say('It is asked for. Approvers see it in their inbox.')
      await this.#done()
    } catch (error) {
      this.#trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
    }
  }
}
