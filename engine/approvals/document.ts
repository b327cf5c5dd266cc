import { Ajv } from 'ajv'
import { StateError } from '../errors.ts'
import type { Approval } from './approval.ts'

const name = { type: 'string', minLength: 1 } as const
const names = { type: 'array', items: name } as const
const time = { type: 'integer', minimum: 0 } as const

const answer = {
  type: 'object',
  required: ['by', 'issuer', 'answer', 'reason', 'at'],
  additionalProperties: false,
  properties: {
    by: name,
    issuer: name,
    answer: { type: 'string', enum: ['approve', 'deny'] },
    reason: { type: 'string', nullable: true },
    at: time,
  },
}

const requester = {
  type: 'object',
  required: ['id', 'kind', 'act', 'owner', 'issuer'],
  additionalProperties: false,
  properties: {
    id: name,
    kind: { type: 'string', enum: ['agent', 'person', 'workload'] },
    act: names,
    owner: { type: 'string', nullable: true },
    issuer: name,
  },
} as const

const terms = {
  type: 'object',
  required: ['approvers', 'quorum', 'expires_in', 'reason_required'],
  additionalProperties: false,
  properties: {
    approvers: { ...names, minItems: 1 },
    quorum: { type: 'integer', minimum: 1 },
    expires_in: { type: 'number', exclusiveMinimum: 0 },
    reason_required: { type: 'boolean' },
  },
} as const

const schema = {
  type: 'object',
  required: [
    'id',
    'version',
    'state',
    'digest',
    'requester',
    'decision',
    'session',
    'policy',
    'rule',
    'message',
    'terms',
  ].concat(['summary', 'requestedAt', 'expiresAt', 'answers']),
  additionalProperties: false,
  properties: {
    id: name,
    version: { type: 'integer', minimum: 1 },
    state: { type: 'string', enum: ['requested', 'granted', 'denied', 'expired', 'withdrawn', 'used'] },
    digest: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    requester,
    decision: name,
    session: name,
    policy: {
      type: 'object',
      required: ['revision', 'digest'],
      additionalProperties: false,
      properties: { revision: { type: 'string' }, digest: { type: 'string' } },
    },
    rule: { type: 'string' },
    message: { type: 'string' },
    terms,
    summary: { type: 'object' },
    requestedAt: time,
    expiresAt: time,
    answers: { type: 'array', items: answer },
  },
}

const ajv = new Ajv({ allErrors: false })
const isApproval = ajv.compile<Approval>(schema)

/** The exact shape of an approval, for what comes back out of a store or a log. Throws ERR_STATE_REBUILD. */
export function approvalFrom(value: unknown): Approval {
  if (isApproval(value)) return value
  const found = ajv.errorsText(isApproval.errors, { dataVar: 'approval' })
  throw new StateError('ERR_STATE_REBUILD', `a stored approval is not of this version's shape: ${found}`)
}
