import { describe, expect, test } from 'vitest'
import {
  ApprovalError,
  type CountersignError,
  type Decision,
  EvidenceError,
  IdentityError,
  NormalizeError,
  ObligationError,
  PolicyError,
  ProtocolError,
  StateError,
  UpstreamError,
} from '../../../../engine/index.ts'
import { denialOfDecision, denialOfRefusal, fatalOf } from '../../../../planes/postgres/enforcer/denial.ts'

const DECISION: Decision = {
  id: 'd1',
  verdict: { kind: 'reject' },
  reasons: [
    { rule: 'no-secrets', message: 'this table is closed', controls: [] },
    { rule: 'office-hours', message: 'come back at nine', controls: [] },
  ],
  controls: [],
  policy: { revision: 'r1', digest: '' },
  approval: null,
  recorded: () => Promise.resolve(),
}

describe('a decision', () => {
  test('tells its first reason, the others as detail, and its id', () => {
    expect(denialOfDecision(DECISION)).toEqual({
      severity: 'ERROR',
      code: '42501',
      message: 'refused by policy: this table is closed',
      detail: 'office-hours: come back at nine',
      hint: 'Decision d1, rule no-secrets.',
    })
  })

  test('without a reason still says what it is', () => {
    const { message, hint, detail } = denialOfDecision({ ...DECISION, reasons: [] })
    expect([message, hint, detail]).toEqual([
      'refused by policy: no rule allows this',
      'Decision d1, rule no_rule.',
      undefined,
    ])
  })

  test('that still waits names the approval and what to do', () => {
    const terms = { approvers: ['a'], quorum: 1, expires_in: 60, reason_required: false }
    const approval = { id: 'a1', state: 'requested' } as const
    const denial = denialOfDecision({ ...DECISION, verdict: { kind: 'hold', terms, fields: [] }, approval })
    expect(denial.code).toBe('42501')
    expect(denial.message).toBe('held for approval a1, which nobody has answered yet')
    expect(denial.hint).toMatch(/Send the same statement again once it is approved\.$/)
  })

  test('that the client withdrew is a cancelled query', () => {
    const reasons = [{ rule: 'approval_withdrawn', message: 'the request was withdrawn', controls: [] }]
    expect(denialOfDecision({ ...DECISION, reasons }).code).toBe('57014')
  })
})

describe('a refusal', () => {
  test.each([
    [new NormalizeError('ERR_NORMALIZE_UNSUPPORTED', 'no'), '0A000'],
    [new NormalizeError('ERR_NORMALIZE_TOO_COMPLEX', 'no'), '54001'],
    [new NormalizeError('ERR_NORMALIZE_REQUEST', 'no'), '54001'],
    [new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'no'), '42501'],
    [new NormalizeError('ERR_NORMALIZE_OPAQUE', 'no'), '42501'],
    [new ObligationError('ERR_OBLIGATION_UNENFORCEABLE', 'no'), '42501'],
  ])('%s', (error, code) => {
    expect(denialOfRefusal(error, DECISION)).toEqual({
      severity: 'ERROR',
      code,
      message: 'no',
      hint: `Decision d1, ${error.code}.`,
    })
  })

  test('of what the server would not parse either looks as the server has it', () => {
    const error = new NormalizeError('ERR_NORMALIZE_SYNTAX', 'no', { position: 8 })
    expect(denialOfRefusal(error, DECISION)).toEqual({
      severity: 'ERROR',
      code: '42601',
      message: 'no',
      position: 8,
      routine: 'Decision d1, ERR_NORMALIZE_SYNTAX.',
    })
    const unary = new NormalizeError('ERR_NORMALIZE_SYNTAX', 'missing argument')
    expect(denialOfRefusal(unary, DECISION).hint).toMatch(/^Use NONE to denote the missing argument/)
  })
})

describe('what ends the connection', () => {
  const told: [CountersignError, string][] = [
    [new ProtocolError('ERR_PROTOCOL_STATE', 'why'), '08P01'],
    [new ProtocolError('ERR_PROTOCOL_TLS', 'why'), '28000'],
    [new IdentityError('ERR_IDENTITY_EXPIRED', 'why'), '28P01'],
    [new UpstreamError('ERR_UPSTREAM_CLOSED', 'why'), '57P01'],
    [new UpstreamError('ERR_UPSTREAM_CONNECT', 'why'), '08006'],
  ]
  test.each(told)('%s is told, with its code', (error, code) => {
    expect(fatalOf(error)).toEqual({ severity: 'FATAL', code, message: 'why', hint: error.code })
  })

  const inside: [CountersignError, string][] = [
    [new EvidenceError('ERR_EVIDENCE_WRITE', '/var/lib/secret/path'), '58030'],
    [new PolicyError('ERR_POLICY_EVALUATION', '/var/lib/secret/path'), 'XX000'],
    [new StateError('ERR_STATE_QUERY', '/var/lib/secret/path'), 'XX000'],
    [new ApprovalError('ERR_APPROVAL_STATE', '/var/lib/secret/path'), 'XX000'],
  ]
  test.each(inside)('%s is told by its code alone', (error, code) => {
    const denial = fatalOf(error)
    expect(denial).toMatchObject({ severity: 'FATAL', code, hint: error.code })
    expect(JSON.stringify(denial)).not.toContain('secret')
  })

  test.each([new TypeError('x is not a function'), 'text', null])(
    '%s, which nobody foresaw, tells nothing',
    (error) => {
      expect(fatalOf(error)).toEqual({ severity: 'FATAL', code: 'XX000', message: 'the gateway cannot go on' })
    },
  )
})
