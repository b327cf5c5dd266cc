import { duration, tagsOf, utc, visible, type Replay, type Tag } from '../../../engine/replay/browser.ts'
import { h } from '../dom.ts'

/** Who, when, and how much of what: the first thing an examiner reads. */
export function summary(replay: Replay): HTMLElement {
  const { who, steps } = replay
  const owner = who.owner === null ? null : h('span', {}, `${visible(who.kind)} of ${visible(who.owner)}`)
  return h(
    'header',
    { class: 'summary' },
    h('p', { class: 'eyebrow' }, 'Countersign session replay'),
    h('h1', {}, visible(who.id)),
    h('p', { class: 'lede' }, ...spaced([owner, h('span', {}, place(replay)), h('span', {}, time(replay))])),
    h(
      'ul',
      { class: 'counts', 'aria-label': 'What the session holds' },
      count(steps.length, 'statement', null),
      ...tagged(replay),
    ),
  )
}

function spaced(parts: readonly (HTMLElement | null)[]): readonly HTMLElement[] {
  return parts.filter((part) => part !== null)
}

function place({ who }: Replay): string {
  const database = who.client['database']
  return database === undefined ? visible(who.plane) : `${visible(who.plane)} ${visible(database)}`
}

function time({ openedAt, closed }: Replay): string {
  if (openedAt === null) return 'begun before this evidence'
  const lasted = closed === null ? 'still open' : duration((Date.parse(closed.at) - Date.parse(openedAt)) * 1000)
  return `${utc(openedAt)}, ${lasted}`
}

const SHOWN: readonly (readonly [Tag, string])[] = [
  ['rejected', 'reject'],
  ['masked', 'mask'],
  ['held', 'hold'],
  ['approved', 'forward'],
  ['failed', 'reject'],
  ['in doubt', 'reject'],
]

function tagged({ steps }: Replay): readonly HTMLElement[] {
  return SHOWN.flatMap(([tag, kind]) => {
    const number = steps.filter((step) => tagsOf(step).includes(tag)).length
    return number === 0 ? [] : [count(number, tag, kind)]
  })
}

function count(number: number, word: string, kind: string | null): HTMLElement {
  const plural = kind === null && number !== 1 ? `${word}s` : word
  return h('li', { class: kind ?? 'all' }, h('strong', {}, String(number)), ` ${plural}`)
}
