import { visible } from '../../../engine/replay/browser.ts'
import { h, terms } from '../dom.ts'
import { listOf, objectOf, Refusal, textOf } from './api.ts'
import { numberOf } from './decision.ts'
import type { Page, Surroundings } from './page.ts'
import { card, chip, failed, figure, id as idOf, link, loading, moment, number, pageHead } from './parts.ts'
import { verdictDays } from './verdict-days.ts'

type Json = Readonly<Record<string, unknown>>

const EVERY_SECONDS = 5

/** How the gateway does: its planes, its log and who signs it, how far behind anything is. */
export class SystemPage implements Page {
  readonly root: HTMLElement = h('main', { id: 'main', class: 'page' })
  readonly title = 'System'
  readonly #around: Surroundings
  #ticks = 0

  constructor(around: Surroundings) {
    this.#around = around
  }

  async open(): Promise<void> {
    this.root.replaceChildren(loading())
    await this.#load()
    this.root.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  }

  async refresh(): Promise<void> {}

  tick(): void {
    this.#ticks += 1
    if (this.#ticks % EVERY_SECONDS === 0 && document.visibilityState === 'visible')
      void this.#load().catch(() => undefined)
  }

  key(): boolean {
    return false
  }
  close(): void {}

  async #load(): Promise<void> {
    try {
      const { api } = this.#around
      const [system, refusals, viewings, events] = await Promise.all([
        api.get('/v1/system'),
        api.get('/v1/records/refusals?limit=10'),
        api.get('/v1/records/viewings?limit=10'),
        api.get('/v1/records/system?limit=15'),
      ])
      this.#draw(system, [refusals, viewings, events])
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error
      this.root.replaceChildren(failed(error.message, () => void this.#load()))
    }
  }

  #draw(system: Json, [refusals = {}, viewings = {}, events = {}]: readonly Json[]): void {
    const evidence = objectOf(system['evidence'])
    const index = objectOf(system['index'])
    const holds = numberOf(system['holds_open']) ?? 0
    this.root.replaceChildren(
      pageHead(
        visible(textOf(system['gateway'])),
        `Countersign ${visible(textOf(system['version']))}, up for ${spell(numberOf(system['up_seconds']) ?? 0)}.`,
      ),
      h(
        'dl',
        { class: 'figures' },
        figure(
          system['ready'] === true ? 'ready' : 'not ready',
          'Takes work',
          system['ready'] === true ? 'forward' : 'reject',
        ),
        figure(
          evidence['up'] === true ? 'written' : 'stopped',
          'Evidence',
          evidence['up'] === true ? 'forward' : 'reject',
        ),
        figure(number(holds), 'Wait for people', holds > 0 ? 'hold' : ''),
        figure(number(numberOf(index['live_sessions']) ?? 0), 'Live sessions'),
      ),
      verdictDays(listOf(system['verdicts']).map(objectOf)),
      h('div', { class: 'cards two' }, logCard(evidence, index), planesCard(system)),
      told('Refused at the door', refusals, refusal, 'Nobody was refused: every token so far was good.'),
      told('Who looked at recordings', viewings, viewing, 'Nobody has looked at a recording, or taken evidence away.'),
      told('The system itself', events, systemEvent, 'Nothing yet.'),
    )
  }
}

function logCard(evidence: Json, index: Json): HTMLElement {
  const checkpoint = objectOf(evidence['checkpoint'])
  const witnessed = objectOf(evidence['witnessed'])
  const witnesses = numberOf(evidence['witnesses']) ?? 0
  const signs = evidence['signs']
  const waiting = numberOf(evidence['waiting_bytes']) ?? 0
  return card(
    'Evidence',
    terms([
      ['Records', `${number(numberOf(index['records']) ?? 0)} in all`],
      ['Not durable yet', waiting === 0 ? 'nothing' : `${number(waiting)} bytes`],
      ['Signed', signed(signs, checkpoint)],
      [
        'Witnessed',
        witnesses === 0 ? 'no witness is configured (evidence.log.witnesses)' : witnessing(witnessed, witnesses),
      ],
      [
        'Index',
        index['caught_up'] === true
          ? 'up to date'
          : index['records'] === undefined
            ? 'away: pages of evidence wait for it'
            : 'catching up',
      ],
      ['Failure', textOf(evidence['failure'])],
    ]),
  )
}

function signed(signs: unknown, checkpoint: Json): string {
  if (signs === null) return 'no key signs this log (evidence.log.key)'
  if (signs === false) return 'by another gateway'
  const age = numberOf(checkpoint['age_ms']) ?? 0
  return `${number(numberOf(checkpoint['size']) ?? 0)} records, all of ${(age / 1000).toFixed(1)} s ago`
}

function witnessing(witnessed: Json, witnesses: number): string {
  const size = numberOf(witnessed['size'])
  if (size === null) return `none of ${witnesses} has answered yet`
  return `${number(size)} records, ${spell((numberOf(witnessed['age_ms']) ?? 0) / 1000)} ago`
}

function planesCard(system: Json): HTMLElement {
  const policy = objectOf(system['policy'])
  const planes = listOf(system['planes']).map(objectOf)
  return card(
    'Planes',
    h(
      'ul',
      { class: 'plain lines' },
      ...planes.map((plane) =>
        h(
          'li',
          {},
          chip('listens', 'forward'),
          h('strong', {}, visible(textOf(plane['id']))),
          h('code', {}, `${visible(textOf(plane['host']))}:${numberOf(plane['port']) ?? 0}`),
        ),
      ),
    ),
    h(
      'p',
      { class: 'muted' },
      'Policy ',
      link('/console/policy', visible(textOf(policy['revision']))),
      ' ',
      idOf(textOf(policy['digest'])),
    ),
  )
}

function told(heading: string, answer: Json, row: (record: Json) => HTMLElement, none: string): HTMLElement {
  const records = listOf(answer['records']).map((each) => objectOf(objectOf(each)['record']))
  if (records.length === 0) return card(heading, h('p', { class: 'muted' }, none))
  return card(heading, h('ul', { class: 'plain lines' }, ...records.map(row)))
}

function refusal(record: Json): HTMLElement {
  const detail = objectOf(record['detail'])
  const source = textOf(detail['source'])
  return h(
    'li',
    {},
    h('code', {}, visible(textOf(detail['code']))),
    h('span', {}, `at ${visible(textOf(detail['plane']))}${source === '' ? '' : ` from ${visible(source)}`}`),
    moment(textOf(record['ts'])),
  )
}

function viewing(record: Json): HTMLElement {
  const detail = objectOf(record['detail'])
  const by = textOf(objectOf(record['principal'])['id']) || textOf(detail['by'])
  const session = textOf(detail['session'])
  const what = textOf(record['event']) === 'replay.viewed' ? 'looked at a session' : 'exported evidence'
  return h(
    'li',
    {},
    h('strong', {}, visible(by)),
    session === '' ? h('span', {}, what) : link(`/console/sessions/${session}`, what),
    h('span', { class: 'muted' }, visible(textOf(detail['reason']))),
    moment(textOf(record['ts'])),
  )
}

function systemEvent(record: Json): HTMLElement {
  return h(
    'li',
    {},
    h('code', {}, visible(textOf(record['event']))),
    h('span', { class: 'muted' }, visible(textOf(record['writer_id']))),
    moment(textOf(record['ts'])),
  )
}

function spell(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} days`
}
