import { entriesOf, replayOf, type Replay, type SessionEvidence, type Step } from '../../../engine/replay/browser.ts'
import { about } from './about.ts'
import { axis } from './axis.ts'
import { h, section } from '../dom.ts'
import { Integrity } from './integrity.ts'
import { Player } from './player.ts'
import { summary } from './summary.ts'
import { controls, viewings } from './tables.ts'
import { alarms, timeline } from './timeline.ts'
import { Toolbar } from './toolbar.ts'

/** A session as it is replayed, in a page of its own or inside another. */
export interface ReplayView {
  /** What to put into `root`, in order. */
  readonly parts: readonly HTMLElement[]
  /** Checks the evidence and shows what came of it; once the parts are in their place. */
  check(): Promise<void>
  /** No key of the page, and no address, is this view's any more. */
  close(): void
}

/** `root`: the document, or the shadow root that the parts go into. */
export function replayView(
  root: Document | ShadowRoot,
  evidence: SessionEvidence,
  keys: readonly string[],
): ReplayView {
  const replay = replayOf(evidence.session, entriesOf(evidence))
  const integrity = new Integrity(root, evidence, keys)
  const closing = new AbortController()
  const parts = [
    summary(replay),
    integrity.strip,
    about(replay),
    section('timeline', 'Timeline', ...alarms(replay), axis(replay), ...played(root, replay, closing.signal)),
    controls(replay),
    viewings(replay),
    integrity.details,
  ]
  return { parts, check: async () => void (await integrity.check()), close: () => closing.abort() }
}

/** The list of steps under its toolbar, each knowing of the other. */
function played(root: Document | ShadowRoot, replay: Replay, closed: AbortSignal): readonly HTMLElement[] {
  const none = h('p', { class: 'muted', hidden: true, role: 'status' }, 'No step is like that.')
  const list = timeline(replay)
  const player = new Player(replay, {
    move: (step) => {
      look(root, step)
      toolbar.at(step)
    },
    state: (playing) => toolbar.playing(playing),
  })
  const onFilter = (shown: readonly Step[]): void => {
    filter(root, shown)
    none.hidden = shown.length > 0
  }
  const toolbar = new Toolbar(replay, player, onFilter, closed)
  addEventListener('hashchange', () => followHash(player), { signal: closed })
  queueMicrotask(() => followHash(player))
  return [toolbar.element, none, list]
}

function followHash(player: Player): void {
  const number = Number(/^#step-(\d+)$/.exec(location.hash)?.[1] ?? Number.NaN)
  if (Number.isNaN(number) || player.current?.number === number) return
  player.pause()
  player.goTo(number)
}

/** The address names the step, so that it can be sent to somebody; nothing is added to the way back. */
function look(root: Document | ShadowRoot, step: Step): void {
  history.replaceState(null, '', `#step-${step.number}`)
  for (const marked of root.querySelectorAll('[aria-current="step"]')) marked.removeAttribute('aria-current')
  for (const element of root.querySelectorAll(`[data-step="${step.number}"]`))
    element.setAttribute('aria-current', 'step')
  const item = root.querySelector(`#step-${step.number}`)
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
  item?.scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' })
}

function filter(root: Document | ShadowRoot, shown: readonly Step[]): void {
  const numbers = new Set(shown.map(({ number }) => String(number)))
  for (const element of root.querySelectorAll<HTMLElement>('[data-step]')) {
    element.hidden = !numbers.has(element.dataset['step'] ?? '')
  }
}
