import { Ajv } from 'ajv'
import { StateError } from '../errors.ts'
import type { Revocation } from './revocation.ts'

const text = { type: 'string', minLength: 1 } as const
const whole = { type: 'integer', minimum: 0 } as const

const exactly = (properties: Readonly<Record<string, object>>): object => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties),
  properties,
})

const target = (kind: string, properties: Readonly<Record<string, object>>): object =>
  exactly({ kind: { const: kind }, ...properties })

const actor = exactly({ id: text, issuer: text })

const isRevocation = new Ajv().compile<Revocation>(
  exactly({
    id: text,
    target: {
      anyOf: [
        target('token', { token: text }),
        target('subject', { subject: text, issued_before: whole }),
        target('issuer', { issuer: text, issued_before: whole }),
        target('quarantine', { agent: text }),
      ],
    },
    by: actor,
    at: whole,
    reason: text,
    released: { anyOf: [{ type: 'null' }, exactly({ by: actor, at: whole, reason: text })] },
  }),
)

/** A row's document. Throws StateError ERR_STATE_QUERY: one that can't be read might be the one that matters. */
export function revocationFrom(document: string): Revocation {
  const value: unknown = JSON.parse(document)
  if (isRevocation(value)) return value
  throw new StateError('ERR_STATE_QUERY', 'the state database has a revocation that has not the form of one')
}

/** As a record has it under `detail.revocation`. Throws StateError ERR_STATE_REBUILD. */
export function recordedRevocation(value: unknown): Revocation {
  if (isRevocation(value)) return value
  throw new StateError('ERR_STATE_REBUILD', 'evidence tells of a revocation in a form that no gateway wrote')
}
