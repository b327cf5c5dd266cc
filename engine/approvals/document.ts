import { Ajv } from 'ajv'
import { StateError } from '../errors.ts'
import { STATES, type Approval } from './approval.ts'

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

const grant = {
  type: 'object',
  required: ['subject', 'plane', 'actions', 'resources', 'seconds', 'reason', 'break_glass'],
  additionalProperties: false,
  properties: {
    subject: {
      type: 'object',
      required: ['id', 'issuer', 'act'],
      additionalProperties: false,
      properties: { id: name, issuer: name, act: names },
    },
    plane: name,
    actions: { ...names, minItems: 1 },
    resources: { ...names, minItems: 1 },
    seconds: { type: 'integer', minimum: 1 },
    reason: { type: 'string' },
    break_glass: { type: 'boolean' },
  },
} as const

/** What one person said, beside who and when. */
function saidBy(more: Readonly<Record<string, object>>): object {
  return {
    type: 'object',
    required: ['by', 'issuer', 'at', ...Object.keys(more)],
    additionalProperties: false,
    properties: { by: name, issuer: name, at: time, ...more },
  }
}

const review = {
  type: 'object',
  required: ['dueAt', 'overdue', 'closed'],
  additionalProperties: false,
  properties: {
    dueAt: time,
    overdue: { type: 'boolean' },
    closed: {
      ...saidBy({ finding: { enum: ['justified', 'unjustified'] }, reason: { type: 'string' } }),
      nullable: true,
    },
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
    state: { type: 'string', enum: STATES },
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
    grant,
    review,
    revoked: saidBy({ reason: { type: 'string', nullable: true } }),
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
