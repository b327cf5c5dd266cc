import { parseSessionEvidence, type SessionEvidence } from '../../../engine/replay/browser.ts'
import './replay.css'
import { h } from '../dom.ts'
import { replayView } from './view.ts'

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
  const view = replayView(document, evidence, keys)
  page.append(...view.parts)
  void view.check()
}

start()
