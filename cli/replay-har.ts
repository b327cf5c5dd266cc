import { entriesOf, outcomeOf, reasonLines, type Replay, type SessionEvidence } from '../engine/replay/index.ts'
import type { JsonObject } from '../engine/index.ts'
import { harOf, type RecordedExchange } from '../planes/http/index.ts'
import { version } from './version.ts'

/** A session of the HTTP plane as an HTTP Archive; null for another plane's. */
export async function harText(evidence: SessionEvidence, replay: Replay): Promise<string | null> {
  if (replay.who.plane !== 'http') return null
  const blocks = blocksOf(evidence)
  const exchanges = replay.steps.map((step): RecordedExchange => {
    const { decision, verdict, at, masks, answer, outcome } = step
    const took = outcome?.tookUs ?? null
    return {
      decision,
      verdict,
      at,
      masks,
      tookMs: took === null ? null : took / 1000,
      told: [...reasonLines(step), outcomeOf(step)].join('; '),
      block: blocks.get(decision) ?? {},
      rows: answer?.rows ?? [],
      bytes: answer?.bytes ?? null,
      kept: answer?.kept ?? null,
    }
  })
  return `${JSON.stringify(harOf(replay.session, await version(), exchanges), null, 2)}\n`
}

/** What policy saw of each request, by decision: a hold's is seen again when it is answered, and the last one counts. */
function blocksOf(evidence: SessionEvidence): ReadonlyMap<string, JsonObject> {
  const found = new Map<string, JsonObject>()
  for (const { fields, payload } of entriesOf(evidence).records) {
    const { event, decision } = fields
    if (typeof event !== 'string' || !event.startsWith('decision.') || typeof decision !== 'string') continue
    const block: unknown = Reflect.get(Object(payload), 'block')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a payload is JSON, and this an object of it
    if (typeof block === 'object' && block !== null) found.set(decision, block as JsonObject)
  }
  return found
}
