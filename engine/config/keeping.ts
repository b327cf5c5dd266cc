import type { ConfigDocument } from './document.ts'
import type { KeepingText, LegalHoldText } from './keeping-schema.ts'
import { shapeAt } from './outside-texts.ts'
import type { LegalHold, RetentionRule } from '../evidence/index.ts'
import { parseDuration } from '../units.ts'

/** How long evidence keeps what can be erased of it. */
export interface Keeping {
  /** In order: the first that names a resource is its rule. */
  readonly retention: readonly RetentionRule[]
  readonly holds: readonly LegalHold[]
}

/** The schema has let only durations and times through. */
export function keeping({ retention, legal_holds: holds }: KeepingText, document: ConfigDocument): Keeping {
  return {
    retention: retention.map(({ resource: name, older_than: olderThan }) => ({
      resource: name,
      olderThan,
      olderThanMs: parseDuration(olderThan) ?? Infinity,
    })),
    holds: holds.map((hold, index) => legalHold(hold, index, document)),
  }
}

/** One that holds nothing in particular would hold everything; that must be meant. */
function legalHold(text: LegalHoldText, index: number, document: ConfigDocument): LegalHold {
  const { name, reason, from, to, ...what } = text
  const path = ['evidence', 'legal_holds', index]
  if (from === undefined && to === undefined && Object.keys(what).length === 0)
    throw shapeAt(document, path, 'what it holds (resource: "*" for everything)', 'nothing')
  const time = (key: 'from' | 'to', written: string | undefined): number | null => {
    if (written === undefined) return null
    const ms = Date.parse(written)
    if (Number.isNaN(ms)) throw shapeAt(document, [...path, key], 'a day of the calendar', written)
    return key === 'to' && written.length === DAY.length ? ms + LAST_OF_DAY : ms
  }
  return {
    name,
    reason,
    resource: what.resource ?? null,
    session: what.session ?? null,
    agent: what.agent ?? null,
    from: time('from', from),
    to: time('to', to),
  }
}

const DAY = '2026-11-25'
const LAST_OF_DAY: number = 24 * 60 * 60 * 1000 - 1
