import { offset, tagsOf, VERDICTS, visible, type Hold, type Replay, type Step } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'

/** More marks than this are a bar: those that something happened at stay. */
const MARKS = 400

/**
 * The session from left to right. Distances grow with the root of the time between, so that a night's pause doesn't push
 * everything else into one pixel; a hold is as long as somebody waited.
 */
export function axis({ steps }: Replay): HTMLElement {
  const places = placesOf(steps)
  const marked = steps.length <= MARKS ? steps : steps.filter((step) => tagsOf(step).length > 0).slice(0, MARKS)
  const last = steps.at(-1)
  return h(
    'nav',
    { class: 'axis', 'aria-label': 'Statements along the session' },
    h('ol', {}, ...marked.map((step) => mark(step, places))),
    h(
      'p',
      { class: 'ends', 'aria-hidden': 'true' },
      h('span', {}, offset(0)),
      h('span', {}, 'long pauses shortened'),
      h('span', {}, offset(last === undefined ? 0 : endOf(last))),
    ),
  )
}

function mark(step: Step, places: ReadonlyMap<number, Place>): HTMLElement {
  const { from, to } = places.get(step.number) ?? { from: 0, to: 0 }
  const what = [VERDICTS[step.verdict], ...tagsOf(step).filter((tag) => tag !== 'rejected' && tag !== 'masked')].join(
    ', ',
  )
  const by =
    step.hold?.answers.map(
      (answer) => `, ${visible(answer.by)} ${answer.answer === 'approve' ? 'approved' : 'denied'}`,
    ) ?? []
  const label = `Step ${step.number}, ${offset(step.offsetMs)}: ${visible(step.action)}, ${what}${by.join('')}`
  const link = h('a', { href: `#step-${step.number}`, class: step.verdict, 'aria-label': label, title: label })
  const item = h('li', { 'data-step': String(step.number) }, link)
  item.style.setProperty('--from', String(from))
  item.style.setProperty('--to', String(to))
  if (step.hold !== null) item.prepend(h('span', { class: 'wait', 'aria-hidden': 'true' }), ...answered(step.hold))
  return item
}

/** Where somebody said yes or no. */
function answered({ answers }: Hold): readonly HTMLElement[] {
  const last = answers.at(-1)
  if (last === undefined) return []
  const yes = last.answer === 'approve'
  return [h('span', { class: yes ? 'answered' : 'answered no', 'aria-hidden': 'true' }, yes ? '✓' : '×')]
}

interface Place {
  readonly from: number
  readonly to: number
}

/** Where each step begins and ends, from 0 to 1. */
function placesOf(steps: readonly Step[]): ReadonlyMap<number, Place> {
  const moments = steps.flatMap((step) => [step.offsetMs, endOf(step)]).toSorted((one, other) => one - other)
  const at = new Map<number, number>()
  let distance = 0
  let before = 0
  for (const moment of moments) {
    distance += Math.sqrt(Math.max(0, moment - before))
    at.set(moment, distance)
    before = moment
  }
  const place = (moment: number): number => (distance === 0 ? 0 : (at.get(moment) ?? 0) / distance)
  return new Map(steps.map((step) => [step.number, { from: place(step.offsetMs), to: place(endOf(step)) }]))
}

/** When a step was over: where it waited for people, that is long after it was asked. */
function endOf({ offsetMs, at, outcome, hold }: Step): number {
  const start = Date.parse(at)
  const answered = hold?.answers.at(-1)?.at
  const end = outcome === null ? answered : Date.parse(outcome.at)
  return end === undefined ? offsetMs : offsetMs + Math.max(0, end - start)
}
