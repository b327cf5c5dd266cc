import { describe, expect, test } from 'vitest'
import { parseDocument } from '../../../engine/policy/json-document.ts'

const parse = (text: string | Uint8Array) => parseDocument('data.json', Buffer.from(text))
const refused = (message: string) =>
  expect.objectContaining({ code: 'ERR_POLICY_DATA', message: expect.stringContaining(message) })

describe('a document that is refused', () => {
  test.each([
    ['nothing', '', 'not valid JSON'],
    ['a byte order mark', '\ufeff{}', 'not valid JSON'],
    ['trailing garbage', '{}x', 'not valid JSON'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'not valid JSON'],
    ['null', 'null', 'data.json is null'],
    ['an array', '[]', 'data.json is an array'],
    ['text', '"{}"', 'data.json is a string'],
    ['a number', '1', 'data.json is a number'],
    ['a lone surrogate', '{"a": "\\ud800"}', 'not valid Unicode'],
    ['a lone surrogate as key', '{"\\udc00": 1}', 'not valid Unicode'],
    ['an integer beyond 2^53', '{"a": 9007199254740993}', '9007199254740993, which loses digits; write it as a string'],
    ['a fraction of twenty digits', '{"a": 0.12345678901234567891}', 'loses digits'],
    ['a number beyond any float', '{"a": 1e400}', 'loses digits'],
    ['nesting without end', `{"a":${'['.repeat(200)}${']'.repeat(200)}}`, 'nests deeper than 100'],
    ['nesting that ends the stack', `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, ''],
  ])('%s', (_what, text, message) => {
    expect(() => parse(text)).toThrow(refused(message))
  })
})

describe('a document that is read', () => {
  test('is frozen all through and has no prototype', () => {
    const { value } = parse('{"a": {"b": [{"c": 1}]}, "__proto__": {"x": 1}, "constructor": 2}')
    expect(Object.isFrozen(value)).toBe(true)
    expect(value).toHaveProperty('a.b.0.c', 1)
    expect(Object.keys(value)).toEqual(['a', '__proto__', 'constructor'])
    expect(Reflect.get(value, 'toString')).toBeUndefined()
    const inner = Reflect.get(Object(value.a), 'b')
    expect(Object.isFrozen(inner) && Object.isFrozen(inner[0])).toBe(true)
  })

  test('has the canonical text that OPA hashes', () => {
    const text =
      '{ "b": [1.0, 1e3, -0.5, true, null], "\\u00e9": "<&>\\u2028\\u0001\\b\\u007f", "a": {}, "B": [] , "10": 1, "9": 2}'
    expect(parse(text).canonical).toBe(
      '{"10":1,"9":2,"B":[],"a":{},"b":[1.0,1e3,-0.5,true,null],"é":"<&>\\u2028\\u0001\\b\u007f"}',
    )
  })

  test('sorts keys by their bytes, not by UTF-16', () => {
    expect(parse('{"\ud83d\ude00": 1, "\uffee": 2}').canonical).toBe('{"\uffee":2,"\ud83d\ude00":1}')
  })
})
