import { visible } from '../../../engine/replay/browser.ts'
import { button, h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf } from './api.ts'
import { numberOf } from './decision.ts'
import type { Page, Surroundings } from './page.ts'
import { chip, empty, failed, link, loading, moment, number, pageHead, ruleChip } from './parts.ts'

type Json = Readonly<Record<string, unknown>>

/** The access review: every agent with its owner, what it is for, what it did, and a way to stop it. */
export class AgentsPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly title = 'Agents'
  readonly #around: Surroundings

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open(): Promise<void> {
    this.root.replaceChildren(loading())
    await this.#load()
    this.root.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async refresh(): Promise<void> {}
  tick(): void {}
  key(): boolean {
    return false
  }
  close(): void {}

  async #load(): Promise<void> {
    try {
      const { agents } = await this.#around.api.get('/v1/agents')
      const all = listOf(agents).map(objectOf)
      this.root.replaceChildren(
        pageHead(
          'Agents',
          'Who may act here, for whom and what for; what each did, and when last. An access review reads this from top to bottom.',
        ),
        ...(all.length === 0
          ? [
              empty(
                'No agent is registered',
                'Agents are registered in the policy’s data, as agents; the starter policy refuses all others.',
              ),
            ]
          : all.map((each) => this.#one(each))),
      )
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.root.replaceChildren(failed(error.message, () => void this.#load()))
    }
  }

  #one(view: Json): HTMLElement {
    const agent = textOf(view['agent'])
    const lastUse = textOf(view['last_used'])
    const register = view['registered'] === null ? null : objectOf(view['registered'])
    const held = listOf(view['quarantine']).map(objectOf)
    const isOut = held.length > 0
    const owner = textOf(register?.['owner'])
    const claimed = textOf(view['owner_by_token'])
    return h(
      'section',
      { class: `card agent${isOut ? ' loud' : ''}` },
      h(
        'p',
        { class: 'standing' },
        h('strong', { class: 'name' }, visible(agent)),
        isOut
          ? chip('out of service', 'reject')
          : register === null
            ? chip('not registered', 'hold')
            : chip('in service', 'forward'),
        tierChip(textOf(register?.['risk'])),
        lastUse === ''
          ? h('span', { class: 'muted' }, 'never seen')
          : h('span', { class: 'muted' }, 'last seen ', moment(lastUse)),
      ),
      h('p', { class: 'prose' }, visible(textOf(register?.['purpose']) || 'No purpose is registered.')),
      terms([
        ['Owner', visible(owner)],
        ['Owner by its token', claimed === '' || claimed === owner ? null : visible(claimed)],
        ['Decisions', decisions(agent, objectOf(view['decisions']))],
        ['Out of service', isOut ? h('ul', { class: 'plain' }, ...held.map(quarantine)) : null],
      ]),
      this.#rules(agent),
      this.#around.me.access.includes('operator') ? this.#switch(agent, isOut) : null,
    )
  }

  /** Asked for when it is opened: which rules it met is looked up in its last decisions. */
  #rules(agent: string): HTMLElement {
    const body = h('div', {}, loading())
    const details = h('details', {}, h('summary', {}, 'Rules that apply to it'), body)
    let isAsked = false
    details.addEventListener('toggle', () => {
      if (isAsked || !details.open) return
      isAsked = true
      void this.#fill(agent, body)
    })
    return details
  }

  async #fill(agent: string, body: HTMLElement): Promise<void> {
    try {
      const { rules } = await this.#around.api.get(`/v1/agents/${encodeURIComponent(agent)}`)
      body.replaceChildren(
        h(
          'ul',
          { class: 'plain lines' },
          ...listOf(rules)
            .map(objectOf)
            .map((rule) => ruleLine(agent, rule)),
        ),
      )
    } catch (error) {
      body.replaceChildren(
        failed(error instanceof Refusal ? error.message : 'That failed.', () => void this.#fill(agent, body)),
      )
    }
  }

  #switch(agent: string, isOut: boolean): HTMLElement {
    const what = isOut ? 'release' : 'quarantine'
    const field = `why-${agent}`
    const reason = h('input', { id: field, type: 'text', maxlength: '2000', autocomplete: 'off' })
    const trouble = h('p', { class: 'trouble', role: 'alert' })
    const send = async (): Promise<void> => {
      if (reason.value.trim() === '') {
        trouble.textContent = 'Say in a few words why: it is recorded.'
        return reason.focus()
      }
      try {
        await this.#around.api.post(`/v1/agents/${encodeURIComponent(agent)}/${what}`, { reason: reason.value.trim() })
        this.#around.say(isOut ? `${agent} is in service again.` : `${agent} is out of service.`)
        await this.#load()
      } catch (error) {
        trouble.textContent = error instanceof Refusal ? error.message : 'That failed.'
      }
    }
    return h(
      'details',
      {},
      h('summary', {}, isOut ? 'Put it back in service' : 'Take it out of service'),
      h(
        'form',
        { class: 'say' },
        h('label', { for: field }, 'Why'),
        reason,
        h(
          'div',
          { class: 'buttons' },
          button(isOut ? 'Release' : 'Quarantine', () => void send(), { class: isOut ? 'approve' : 'deny' }),
        ),
        trouble,
      ),
    )
  }
}

function tierChip(tier: string): HTMLElement | null {
  if (tier === '') return null
  const tones: Readonly<Record<string, string>> = { high: 'reject', medium: 'hold' }
  return chip(`${tier} risk`, tones[tier] ?? '')
}

function decisions(agent: string, counts: Json): HTMLElement | null {
  const words = (['forward', 'mask', 'hold', 'reject'] as const).map((verdict) => {
    const count = numberOf(counts[verdict]) ?? 0
    return link(
      `/console/decisions?agent=${encodeURIComponent(agent)}&verdict=${verdict}`,
      `${number(count)} ${VERBS[verdict]}`,
    )
  })
  return h('span', { class: 'links' }, ...words)
}

const VERBS = { forward: 'forwarded', mask: 'masked', hold: 'held', reject: 'rejected' } as const

function quarantine(each: Json): HTMLElement {
  return h(
    'li',
    {},
    `by ${visible(textOf(each['by']))}, `,
    moment(textOf(each['at'])),
    `: ${visible(textOf(each['reason']))}`,
  )
}

function ruleLine(agent: string, rule: Json): HTMLElement {
  const id = textOf(rule['id'])
  const count = numberOf(rule['decisions']) ?? 0
  const met = `/console/decisions?agent=${encodeURIComponent(agent)}&rule=${encodeURIComponent(id)}`
  return h(
    'li',
    {},
    ruleChip(textOf(rule['verdict'])),
    count === 0 ? h('code', {}, visible(id)) : link(met, h('code', {}, visible(id))),
    h('span', {}, visible(textOf(rule['title']))),
    h('span', { class: 'muted' }, count === 0 ? 'never met' : `met ${number(count)} times`),
  )
}
