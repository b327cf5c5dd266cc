import type { ConfigSchema } from './config-schema.ts'

/** `evidence.retention` and `evidence.legal_holds` as they are written. */
export interface KeepingText {
  readonly retention: readonly { readonly resource: string; readonly older_than: string }[]
  readonly legal_holds: readonly LegalHoldText[]
}

export interface LegalHoldText {
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
