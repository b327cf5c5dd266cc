import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../engine/access-request.ts'
import { readResult } from '../../../engine/policy/result.ts'
import { asking, evaluatorOf } from './bundles.ts'

const reason = { rule: 'r', message: 'm', controls: ['A', 'B'] }
const terms = { approvers: ['payments'], quorum: 1, expires_in: 900, reason_required: true }
const forward = { verdict: 'forward', reasons: [reason], fields: [], hold: null }
const mask = { ...forward, verdict: 'mask', fields: [{ field: 'public.customers.ssn', method: 'last4' }] }
const hold = { ...forward, verdict: 'hold', hold: terms }

const without = (answer: JsonObject, key: string) =>
  Object.fromEntries(Object.entries(answer).filter(([name]) => name !== key))

describe('any other shape than exactly one verdict is an error', async () => {
  const evaluator = await evaluatorOf('traps')
  const answer = (given: unknown) =>
    evaluator.evaluate('echo', asking('echo', { answer: JSON.parse(JSON.stringify(given)) }), 0)

  test.each<[string, unknown]>([
    ['null', null],
    ['true', true],
    ['false', false],
    ['a string', 'forward'],
    ['an array', [forward]],
    ['an empty object', {}],
    ['no verdict', without(forward, 'verdict')],
    ['no reasons', without(forward, 'reasons')],
    ['no fields', without(forward, 'fields')],
    ['no hold', without(forward, 'hold')],
    ['something more', { ...forward, also: 1 }],
    ['a prototype as key', { ...without(forward, 'hold'), toString: null }],
    ['allow', { ...forward, verdict: 'allow' }],
    ['a verdict in capitals', { ...forward, verdict: 'FORWARD' }],
    ['a verdict that is a list', { ...forward, verdict: ['forward'] }],
    ['no reason', { ...forward, reasons: [] }],
    ['a reason that is text', { ...forward, reasons: ['r'] }],
    ['a reason without rule', { ...forward, reasons: [without(reason, 'rule')] }],
    ['a reason with an empty rule', { ...forward, reasons: [{ ...reason, rule: '' }] }],
    ['a reason with more', { ...forward, reasons: [{ ...reason, severity: 1 }] }],
    ['a control that is a number', { ...forward, reasons: [{ ...reason, controls: [1] }] }],
    ['a control twice', { ...forward, reasons: [{ ...reason, controls: ['A', 'A'] }] }],
    ['forward with fields', { ...forward, fields: mask.fields }],
    ['reject with fields', { ...forward, verdict: 'reject', fields: mask.fields }],
    ['mask without fields', { ...mask, fields: [] }],
    ['a field without method', { ...mask, fields: [{ field: 'a.b' }] }],
    ['an unknown method', { ...mask, fields: [{ field: 'a.b', method: 'blur' }] }],
    ['a method of every object', { ...mask, fields: [{ field: 'a.b', method: 'toString' }] }],
    ['an empty field', { ...mask, fields: [{ field: '', method: 'null' }] }],
    ['a field twice', { ...mask, fields: [...mask.fields, { field: 'public.customers.ssn', method: 'null' }] }],
    ['forward with terms', { ...forward, hold: terms }],
    ['mask with terms', { ...mask, hold: terms }],
    ['hold without terms', { ...hold, hold: null }],
    ['hold with false terms', { ...hold, hold: false }],
    ['hold without approvers', { ...hold, hold: { ...terms, approvers: [] } }],
    ['hold with an approver twice', { ...hold, hold: { ...terms, approvers: ['a', 'a'] } }],
    ['hold with a quorum of none', { ...hold, hold: { ...terms, quorum: 0 } }],
    ['hold with a quorum below none', { ...hold, hold: { ...terms, quorum: -1 } }],
    ['hold with half a quorum', { ...hold, hold: { ...terms, quorum: 1.5 } }],
    ['hold with a quorum as text', { ...hold, hold: { ...terms, quorum: '1' } }],
    ['hold that has expired', { ...hold, hold: { ...terms, expires_in: 0 } }],
    ['hold for years', { ...hold, hold: { ...terms, expires_in: 99_999_999 } }],
    ['hold with no word on reasons', { ...hold, hold: without(terms, 'reason_required') }],
    ['hold with reason 1', { ...hold, hold: { ...terms, reason_required: 1 } }],
    ['hold with more terms', { ...hold, hold: { ...terms, auto: true } }],
  ])('%s', (_what, given) => {
    expect(() => answer(given)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_RESULT', message: expect.stringContaining('is not a verdict') }),
    )
  })

  test('an entrypoint that is undefined', () => {
    expect(() => evaluator.evaluate('echo', asking('echo', {}), 0)).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_RESULT',
        message: expect.stringContaining('undefined for this request'),
      }),
    )
  })

  test('what the client sent stays out of the message', () => {
    const secret = { ...forward, verdict: 'PAN 4111111111111111', reasons: [{ ...reason, also: '4111111111111111' }] }
    expect(() => answer(secret)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_RESULT', message: expect.not.stringContaining('4111') }),
    )
  })

  test('each of the four verdicts is read whole', () => {
    const reasons = [reason]
    expect(answer(forward)).toEqual({ verdict: { kind: 'forward' }, reasons, nondeterministic: null })
    expect(answer({ ...forward, verdict: 'reject' }).verdict).toEqual({ kind: 'reject' })
    expect(answer(mask).verdict).toEqual({ kind: 'mask', fields: mask.fields })
    expect(answer(hold).verdict).toEqual({ kind: 'hold', terms, fields: [] })
    expect(answer({ ...hold, fields: mask.fields }).verdict).toEqual({ kind: 'hold', terms, fields: mask.fields })
  })
})

describe('sets come in hash order and never pass as lists', async () => {
  const evaluator = await evaluatorOf('traps')

  test.each(['set', 'empty set', 'nested set', 'number as key', 'set of answers'])('%s', (which) => {
    expect(() => evaluator.evaluate('collections', asking('collections', { case: which }), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_RESULT' }),
    )
  })
})

describe('numbers that JSON or a float does not carry', async () => {
  const evaluator = await evaluatorOf('traps')

  test.each(['point', 'half', 'beyond 2^53', 'huge'])('%s', (which) => {
    expect(() => evaluator.evaluate('numbers', asking('numbers', { case: which }), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_RESULT' }),
    )
  })
})

describe('a result set holds exactly one result', () => {
  const one = JSON.stringify(forward)

  test.each([
    ['none', 'set()'],
    ['two', `{{"result": ${one}}, {"result": ${one}}}`],
    ['a binding besides', `{{"result": ${one}, "x": 1}}`],
    ['another binding', `{{"verdict": ${one}}}`],
    ['a list', `[{"result": ${one}}]`],
    ['the bare result', one],
    ['nothing', ''],
    ['garbage after it', `{{"result": ${one}}}x`],
  ])('%s', (_what, dump) => {
    expect(() => readResult(dump)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_RESULT' }))
  })

  test('one', () => {
    expect(readResult(`{{"result": ${one}}}`).verdict).toEqual({ kind: 'forward' })
  })
})
