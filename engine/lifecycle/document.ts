import { Ajv } from 'ajv'
import { StateError } from '../errors.ts'
import type { Change, Lifecycle } from './lifecycle.ts'

const text = { type: 'string' } as const
const whole = { type: 'integer', minimum: 0 } as const
const optionalText = { type: ['string', 'null'] } as const

function object(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', required: Object.keys(properties), properties, additionalProperties: false }
}

const orNull = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] })
const policy = object({ revision: text, digest: { type: 'string', pattern: '^[0-9a-f]{64}$' } })
const actor = object({ id: text, kind: text, issuer: text, act: { type: 'array', items: text }, owner: optionalText })
const result = { enum: ['PASSED', 'WARNED', 'FAILED'] } as const
const answer = { enum: ['approve', 'reject'] } as const
const inForce = orNull(object({ policy, by: orNull(actor), since: whole }))
const proposal = object({
  policy,
  archive: text,
  by: actor,
  at: whole,
  tested: orNull(result),
  review: orNull(object({ by: actor, answer, reason: optionalText, at: whole })),
})

const step = (kind: string, rest: Readonly<Record<string, object>>): object =>
  object({ number: { type: 'integer', minimum: 1 }, at: whole, kind: { const: kind }, policy, ...rest })

const CHANGE = {
  anyOf: [
    step('proposed', { by: actor, archive: text }),
    step('tested', { by: actor, result }),
    step('reviewed', { by: actor, answer, reason: optionalText }),
    step('activated', { by: orNull(actor) }),
    step('rolled_back', { by: actor }),
  ],
}

const LIFECYCLE = object({
  version: whole,
  proposals: { type: 'array', items: proposal },
  active: inForce,
  previous: inForce,
})

const ajv = new Ajv({ allowUnionTypes: true })
const isChange = ajv.compile<Change>(CHANGE)
const isLifecycle = ajv.compile<Lifecycle>(LIFECYCLE)

/** A change as a `policy.*` record has it under `detail.change`. Throws StateError ERR_STATE_REBUILD. */
export function changeFrom(value: unknown): Change {
  if (isChange(value)) return value
  throw new StateError('ERR_STATE_REBUILD', 'evidence tells of a change of policies in a form that no gateway wrote')
}

/** The table's document. Throws StateError ERR_STATE_QUERY. */
export function lifecycleFrom(document: string): Lifecycle {
  const value: unknown = JSON.parse(document)
  if (isLifecycle(value)) return value
  throw new StateError('ERR_STATE_QUERY', "the state database's account of policies has not the form of one")
}
