import {
  entriesOf,
  parseSessionEvidence,
  replayOf,
  type Replay,
  type SessionEvidence,
  type Step,
} from '../../../engine/replay/browser.ts'
import './replay.css'
import { about } from './about.ts'
import { axis } from './axis.ts'
import { h, section } from '../dom.ts'
import { Integrity } from './integrity.ts'
import { Player } from './player.ts'
import { summary } from './summary.ts'
import { controls, viewings } from './tables.ts'
import { alarms, timeline } from './timeline.ts'
import { Toolbar } from './toolbar.ts'

/** What the page carries beside its own code: a session's evidence, and public keys that whoever made it had. */
interface Carried {
  readonly evidence: SessionEvidence
  readonly keys: readonly string[]
}

function carried(): Carried | null {
  try {
    const value: unknown = JSON.parse(document.querySelector('#evidence')?.textContent ?? '')
    const keys: unknown = Reflect.get(Object(value), 'keys')
    const evidence = parseSessionEvidence(Reflect.get(Object(value), 'evidence'))
    if (evidence === undefined) return null
    return { evidence, keys: Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : [] }
  } catch {
    return null
  }
}

function start(): void {
  const page = h('main', { id: 'replay' })
  document.querySelector('#replay')?.replaceWith(page)
  const { evidence, keys } = carried() ?? { evidence: null, keys: [] }
  if (evidence === null) {
    page.append(
      h(
        'p',
        { class: 'fault', role: 'alert' },
        'This page holds no evidence that can be read: it was changed, or cut off.',
      ),
    )
    return
  }
  const replay = replayOf(evidence.session, entriesOf(evidence))
  const integrity = new Integrity(evidence, keys)
  page.append(
    summary(replay),
    integrity.strip,
    about(replay),
    section('timeline', 'Timeline', ...alarms(replay), axis(replay), ...played(replay)),
    controls(replay),
    viewings(replay),
    integrity.details,
  )
  void integrity.check()
}

/** The list of steps under its toolbar, each knowing of the other. */
function played(replay: Replay): readonly HTMLElement[] {
  const none = h('p', { class: 'muted', hidden: true, role: 'status' }, 'No step is like that.')
  const list = timeline(replay)
  const player = new Player(replay, {
    move: (step) => {
      look(step)
      toolbar.at(step)
    },
    state: (playing) => toolbar.playing(playing),
  })
  const toolbar = new Toolbar(replay, player, (shown) => {
    filter(shown)
    none.hidden = shown.length > 0
  })
  addEventListener('hashchange', () => followHash(player))
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
function look(step: Step): void {
  history.replaceState(null, '', `#step-${step.number}`)
  for (const marked of document.querySelectorAll('[aria-current="step"]')) marked.removeAttribute('aria-current')
  for (const element of document.querySelectorAll(`[data-step="${step.number}"]`))
    element.setAttribute('aria-current', 'step')
  const item = document.querySelector(`#step-${step.number}`)
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
  item?.scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' })
}

function filter(shown: readonly Step[]): void {
  const numbers = new Set(shown.map(({ number }) => String(number)))
  for (const element of document.querySelectorAll<HTMLElement>('[data-step]')) {
    element.hidden = !numbers.has(element.dataset['step'] ?? '')
  }
}

start()
