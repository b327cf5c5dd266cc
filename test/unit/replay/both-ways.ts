import { expect } from 'vitest'
import { sourceOf, type Evidence } from '../../../engine/evidence/index.ts'
import { collectPlaced, collectSession, type SessionEvidence } from '../../../engine/replay/index.ts'
import { openIndexOf } from '../overview/setting.ts'

/** A session's evidence: the same whether all of evidence is read for it, or what the index knows to be about it. */
export async function collectBothWays(evidence: Evidence, session: string): Promise<SessionEvidence> {
  const whole = await collectSession(evidence, session)
  const index = await openIndexOf(evidence)
  const places = await index.ask.replay({ id: session })
  index.close()
  if (whole === null || places === null) throw new Error('no such session')
  expect(await collectPlaced(sourceOf(evidence), session, places)).toEqual(whole)
  return whole
}
