import type { ConfigDocument } from './document.ts'
import { shapeAt } from './outside-texts.ts'
import type { ConfigSchema } from './schema.ts'
import type { LegalHold, RetentionRule } from '../evidence/index.ts'
import { parseDuration } from '../units.ts'

/** How long evidence keeps what can be erased of it. */
export interface Keeping {
  /** In order: the first that names a resource is its rule. */
  readonly retention: readonly RetentionRule[]
  readonly holds: readonly LegalHold[]
}

/** `evidence.retention` and `evidence.legal_holds` as they are written. */
export interface KeepingText {
  readonly retention: readonly { readonly resource: string; readonly older_than: string }[]
  readonly legal_holds: readonly LegalHoldText[]
}

interface LegalHoldText {
  readonly name: string
  readonly reason: string
  readonly resource?: string
  readonly session?: string
  readonly agent?: string
  readonly from?: string
  readonly to?: string
}

const resource: ConfigSchema = {
  type: 'string',
  minLength: 1,
  description: "a resource's name, in which * stands for any characters",
}
const moment: ConfigSchema = {
  type: 'string',
  pattern: String.raw`^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$`,
  description: 'a day, or a time in UTC such as 2026-11-25T09:00Z',
}
const id = (of: string): ConfigSchema => ({ type: 'string', minLength: 1, description: `the id of a ${of}` })

const RULE: ConfigSchema = {
  type: 'object',
  description: 'a mapping of resource, older_than and payloads',
  properties: {
    resource,
    older_than: {
      type: 'string',
      pattern: '^[1-9][0-9]{0,8}(h|d)$',
      description: 'a number of hours or days such as 90d',
    },
    payloads: {
      const: true,
      description: 'true: what is kept beside records and frames is what can be erased',
    },
  },
  required: ['resource', 'older_than', 'payloads'],
  additionalProperties: false,
}

const HOLD: ConfigSchema = {
  type: 'object',
  description: 'a mapping of name, reason and what is held',
  properties: {
    name: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$', description: 'a short name without spaces' },
    reason: { type: 'string', minLength: 1, description: 'why, for who reads the log' },
    resource,
    session: id('session'),
    agent: id('principal'),
    from: moment,
    to: moment,
  },
  required: ['name', 'reason'],
  additionalProperties: false,
}

/** The two properties of `evidence`. */
export const KEEPING_PROPERTIES: Readonly<Record<'retention' | 'legal_holds', ConfigSchema>> = {
  retention: { type: 'array', items: RULE, description: 'a list of rules', default: [] },
  legal_holds: { type: 'array', items: HOLD, description: 'a list of holds', default: [] },
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
