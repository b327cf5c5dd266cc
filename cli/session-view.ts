import { Ajv } from 'ajv'

/** A session as the API tells it. Times are RFC 3339, UTC. */
export interface SessionView {
  readonly id: string
  readonly agent: string
  readonly owner: string | null
  readonly kind: string
  readonly plane: string
  readonly source: string | null
  readonly opened: string
  readonly closed: string | null
  readonly reason: string | null
  readonly decisions: number
  readonly rejected: number
  readonly masked: number
  readonly held: number
}

const text = { type: 'string' } as const
const optionalText = { type: ['string', 'null'] } as const
const count = { type: 'integer', minimum: 0 } as const
const properties = {
  id: text,
  agent: text,
  owner: optionalText,
  kind: text,
  plane: text,
  source: optionalText,
  opened: text,
  closed: optionalText,
  reason: optionalText,
  decisions: count,
  rejected: count,
  masked: count,
  held: count,
}
const compiled = new Ajv({ allowUnionTypes: true }).compile<SessionView>({
  type: 'object',
  required: Object.keys(properties),
  properties,
})

/** Whether what an API answered is a session. */
export function isSession(value: unknown): value is SessionView {
  return compiled(value)
}
