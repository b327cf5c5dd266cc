import {
  checkSession,
  type Check,
  type CheckState,
  type SessionCheck,
  type SessionEvidence,
} from '../../../engine/replay/browser.ts'
import { button, h, section } from '../dom.ts'

const NAMES: Readonly<Record<Check['name'], string>> = {
  bytes: 'Bytes',
  payloads: 'Payloads',
  recording: 'Recording',
  session: 'Complete',
  inclusion: 'In the log',
  signature: 'Signature',
  witness: 'Witness',
}

const STATES: Readonly<Record<CheckState, string>> = {
  ok: 'holds',
  bad: 'does not hold',
  unchecked: 'not checked',
  absent: 'nothing there',
}

const VERDICTS: Readonly<Record<CheckState, string>> = {
  ok: 'This evidence holds',
  bad: 'This evidence does not hold',
  unchecked: 'Holds, as far as it is checked',
  absent: 'Nothing to check',
}

const ABOUT = `Computed just now, in this browser, from the lines of evidence in this page; all that is shown above was made from the same
lines. A page can be made to say anything, this one too. What does not depend on whoever gave it to you: countersign evidence
verify over the log itself, or docs/verify.py, which you can read.`

/** What the checks found: a strip at the top, each in words at the end, and marks where a line is wrong. */
export class Integrity {
  readonly strip: HTMLElement
  readonly details: HTMLElement
  readonly #root: Document | ShadowRoot
  readonly #evidence: SessionEvidence
  /** Keys that came with the page: what they sign is no proof until somebody has compared them. */
  readonly #offered: readonly string[]
  readonly #verdict: HTMLElement = h('a', { href: '#integrity', class: 'verdict' }, 'Checking …')
  readonly #segments: HTMLElement = h('ul', {})
  readonly #found: HTMLElement = h('dl', { class: 'checks' })
  readonly #keys: HTMLTextAreaElement = h('textarea', {
    id: 'keys',
    rows: '3',
    spellcheck: 'false',
    'aria-describedby': 'keys-about',
  })

  /** `root`: what the page's parts are in. */
  constructor(root: Document | ShadowRoot, evidence: SessionEvidence, offered: readonly string[]) {
    this.#root = root
    this.#evidence = evidence
    this.#offered = offered
    this.strip = h('div', { class: 'strip unchecked', role: 'status' }, this.#verdict, this.#segments)
    this.details = section('integrity', 'Integrity', h('p', { class: 'muted' }, ABOUT), this.#found, this.#form())
  }

  /** Checks again, with the keys that are in the form. */
  async check(): Promise<SessionCheck> {
    const keys = this.#keys.value
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
    const found = await checkSession(this.#evidence, keys)
    this.#show(found)
    return found
  }

  #form(): HTMLElement {
    const offer = this.#offered.length === 0 ? null : this.#offer()
    const asked = new URLSearchParams(location.search).getAll('key')
    this.#keys.value = asked.join('\n')
    return h(
      'div',
      { class: 'keys' },
      h('label', { for: 'keys' }, 'Public keys that you hold, one a line'),
      h(
        'p',
        { id: 'keys-about', class: 'muted' },
        'The log’s, as countersign evidence key printed it, and a witness’s. Get them from the bank by another way than this page.',
      ),
      this.#keys,
      h(
        'div',
        { class: 'buttons' },
        button('Check with these keys', () => void this.check()),
        offer,
      ),
    )
  }

  #offer(): HTMLElement {
    return button('Use the keys that came with this page', () => {
      this.#keys.value = this.#offered.join('\n')
      void this.check()
    })
  }

  #show({ state, checks, faults }: SessionCheck): void {
    this.strip.className = `strip ${state}`
    this.#verdict.textContent =
      state === 'ok' && this.#isOffered() ? `${VERDICTS.ok}, by a key from this page` : VERDICTS[state]
    this.#segments.replaceChildren(...checks.map((check) => this.#segment(check)))
    this.#found.replaceChildren(...checks.flatMap((check) => this.#finding(check)))
    markFaults(this.#root, faults)
  }

  #isOffered(): boolean {
    const offered = new Set(this.#offered)
    const keys = this.#keys.value.split('\n').map((line) => line.trim())
    return keys.some((key) => offered.has(key))
  }

  #segment({ name, state, found }: Check): HTMLElement {
    const label = `${NAMES[name]}: ${STATES[state]}`
    return h(
      'li',
      { class: state, title: found },
      h(
        'a',
        { href: `#check-${name}`, 'aria-label': label },
        h('span', { class: 'light', 'aria-hidden': 'true' }),
        NAMES[name],
      ),
    )
  }

  #finding({ name, state, found }: Check): readonly HTMLElement[] {
    const fromPage = name === 'signature' && state === 'ok' && this.#isOffered()
    const caution = fromPage
      ? ' This key came with the page: it proves something once you have compared it with the one you hold.'
      : ''
    return [
      h('dt', { id: `check-${name}` }, NAMES[name]),
      h('dd', { class: state }, h('strong', {}, STATES[state]), `: ${found}.${caution}`),
    ]
  }
}

/** Puts what is wrong with a line where that line is shown. */
function markFaults(root: Document | ShadowRoot, faults: ReadonlyMap<string, string>): void {
  for (const old of root.querySelectorAll('article > .fault')) old.remove()
  for (const row of root.querySelectorAll('[data-leaf]')) {
    const fault = faults.get(row.getAttribute('data-leaf') ?? '')
    row.classList.toggle('broken', fault !== undefined)
    const step = row.closest('.step')
    if (fault === undefined || step === null || step.querySelector('article > .fault') !== null) continue
    step
      .querySelector('article')
      ?.prepend(h('p', { class: 'fault' }, `The evidence of this step was changed: ${fault}.`))
  }
}
