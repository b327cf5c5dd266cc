import { beforeAll, describe, expect, test } from 'vitest'
import type { Evaluator } from '../../../engine/policy/evaluator.ts'
import { evaluatorOf, requestOf } from './bundles.ts'

/** `forward` comes from a rule that negates: with an undefined input it holds. */
describe('what OPA takes for undefined input is refused before it gets there', () => {
  let evaluator: Evaluator
  beforeAll(async () => {
    evaluator = await evaluatorOf('traps')
  })

  const sealed = requestOf({ plane: 'negation', id: 'mallory' })
  const judge = (json: string) => evaluator.evaluate('negation', { ...sealed, json }, 0)

  test('the request itself is denied, and another one is not', () => {
    expect(() => judge(sealed.json)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_RESULT' }))
    const other = requestOf({ plane: 'negation', id: 'alice' })
    expect(evaluator.evaluate('negation', other, 0).verdict).toEqual({ kind: 'forward' })
  })

  test.each([
    ['nothing', ''],
    ['white space', ' '],
    ['a truncated request', sealed.json.slice(0, -1)],
    ['half a request', sealed.json.slice(0, 40)],
    ['a byte order mark', `\ufeff${sealed.json}`],
    ['leading white space', ` ${sealed.json}`],
    ['trailing white space', `${sealed.json}\n`],
    ['trailing garbage', `${sealed.json}x`],
    ['a second document', `${sealed.json}{}`],
    ['a trailing zero byte', `${sealed.json}\0`],
    ['NaN', '{"principal":NaN}'],
    ['Infinity', '{"principal":-Infinity}'],
    ['undefined', '{"principal":undefined}'],
    ['a comment', '{"principal":{}/*x*/}'],
    ['single quotes', "{'principal':{}}"],
    ['a trailing comma', '{"principal":{},}'],
    ['a set literal', '{"principal":{"a","b"}}'],
    ['an empty set', '{"principal":set()}'],
    ['a number that is no JSON', '{"principal":.5}'],
    ['a leading zero', '{"principal":01}'],
    ['a control character', '{"principal":"\u0001"}'],
    ['null', 'null'],
    ['false', 'false'],
    ['zero', '0'],
    ['an empty string', '""'],
    ['an array', '[{"principal":{"id":"mallory"}}]'],
    ['a key given twice', '{"principal":{"id":"mallory"},"principal":{"id":"alice"}}'],
    ['an escape that need not be', '{"princip\\u0061l":{"id":"mallory"}}'],
    ['a lone surrogate', '{"principal":{"id":"\\ud800"}}'],
    ['a lone surrogate after a backslash', '{"principal":{"id":"\\\\\\udfff"}}'],
    ['a raw lone surrogate', '{"principal":{"id":"\ud800"}}'],
    ['a number that a float does not hold', '{"principal":{"id":9007199254740993}}'],
    ['a request too large', JSON.stringify({ principal: { id: 'x'.repeat(300_000) } })],
  ])('%s', (_what, json) => {
    expect(() => judge(json)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INPUT' }))
  })

  test.each([
    ['null', null],
    ['undefined', undefined],
    ['a number', 0],
    ['a function', () => '{}'],
    ['a buffer', Buffer.from(sealed.json)],
    ['a map', new Map([['principal', 1]])],
    ['an object', { principal: { id: 'mallory' } }],
  ])('%s in place of the text', (_what, json) => {
    const sloppy: { evaluateDocument(entrypoint: string, input: unknown, nowMs: number): unknown } = Object.create(
      evaluator,
      { evaluateDocument: { value: evaluator.evaluateDocument.bind(evaluator) } },
    )
    expect(() => sloppy.evaluateDocument('countersign/negation/verdict', json, 0)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INPUT' }),
    )
  })

  test('text that looks like an escaped surrogate is text', () => {
    const json = '{"principal":{"id":"\\\\ud800"}}'
    expect(judge(json).verdict).toEqual({ kind: 'forward' })
  })

  test.each([Number.NaN, Infinity, 1.5, 2 ** 60])('the time %d', (nowMs) => {
    const other = requestOf({ plane: 'negation', id: 'alice' })
    expect(() => evaluator.evaluate('negation', other, nowMs)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INPUT' }),
    )
  })
})
