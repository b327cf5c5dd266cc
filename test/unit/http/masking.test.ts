import { describe, expect, test } from 'vitest'
import { MaskingKey, type MaskMethod, ObligationError } from '../../../engine/index.ts'
import { maskBody } from '../../../planes/http/enforcer/body-masker.ts'
import { NO_ALIASES } from '../../../planes/http/enforcer/mask-plan.ts'
import { ExchangeMasks } from '../../../planes/http/enforcer/masks.ts'

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))

type Masks = Readonly<Record<string, MaskMethod>>

function masksOf(parts: Masks, aliases = NO_ALIASES): ExchangeMasks {
  const fields = Object.entries(parts).map(([part, method]) => ({ field: `bank/a.b.${part}`, method }))
  return new ExchangeMasks(fields, ['bank/a', 'bank/a.b'], aliases, KEY)
}

function shown(type: string, body: string, parts: Masks): string {
  return maskBody([['content-type', type]], Buffer.from(body), masksOf(parts).answered).toString('utf8')
}

const json = (body: string, parts: Masks): string => shown('application/json', body, parts)

describe('where a path leads', () => {
  test.each<[string, string, Masks, string]>([
    ['to a key', '{"a":{"b":"x","c":1}}', { 'body/a/b': 'fixed' }, '{"a":{"b":"***","c":1}}'],
    ['through lists', '[{"a":[{"b":"x"}]}]', { 'body/a/b': 'fixed' }, '[{"a":[{"b":"***"}]}]'],
    ['by any name', '{"p":{"b":"x"},"q":[{"b":"y"}]}', { 'body/*/b': 'fixed' }, '{"p":{"b":"***"},"q":[{"b":"***"}]}'],
    ['at any depth', '{"b":"x","p":{"q":{"b":"y"}}}', { 'body/**/b': 'fixed' }, '{"b":"***","p":{"q":{"b":"***"}}}'],
    ['to every key of that name', '{"b":"x","b":"y"}', { 'body/b': 'fixed' }, '{"b":"***","b":"***"}'],
    ['in other capitals', '{"SSN":"x"}', { 'body/ssn': 'fixed' }, '{"SSN":"***"}'],
    ['to all of an object', '{"a":{"b":1}}', { 'body/a': 'last4' }, '{"a":"[redacted]"}'],
    ['to a null, which stays', '{"a":null}', { 'body/a': 'fixed' }, '{"a":null}'],
    ['to a number, which becomes text', '{"a": 12345678 }', { 'body/a': 'last4' }, '{"a": "****5678" }'],
    [
      'into JSON that stands in a text',
      '{"m":"{\\"b\\":\\"x\\"}"}',
      { 'body/m/b': 'fixed' },
      '{"m":"{\\"b\\":\\"***\\"}"}',
    ],
    ['no further than a text, which is hidden', '{"a":"b is x"}', { 'body/a/b': 'fixed' }, '{"a":"[redacted]"}'],
    ['no further than a number, which is hidden', '{"a":900111111}', { 'body/a/b': 'fixed' }, '{"a":"[redacted]"}'],
    [
      'with two masks, of which the stricter counts',
      '{"a":"12345678"}',
      { 'body/a': 'last4', 'body/**/a': 'null' },
      '{"a":null}',
    ],
    [
      'to what looks like it',
      '{"a":"ssn 900-11-1111!","b":900111111}',
      { 'body~ssn': 'last4' },
      '{"a":"ssn *******1111!","b":"*****1111"}',
    ],
    ['to a key that looks like it', '{"900-11-1111":1}', { 'body~ssn': 'redact' }, '{"[redacted]":1}'],
    ['to all of it', '{"a":1}', { body: 'redact' }, '"[redacted]"'],
  ])('%s', (_where, body, parts, expected) => {
    expect(json(body, parts)).toBe(expected)
  })

  test('under an alias of GraphQL', () => {
    const masks = masksOf(
      { 'body/data/customer/ssn': 'last4' },
      new Map([
        ['x', new Set(['ssn'])],
        ['c', new Set(['customer'])],
      ]),
    )
    const body = maskBody(
      [['content-type', 'application/graphql-response+json']],
      Buffer.from('{"data":{"c":{"x":"900-11-1111"}}}'),
      masks.answered,
    )
    expect(body.toString('utf8')).toBe('{"data":{"c":{"x":"*******1111"}}}')
    expect(masks.counts).toEqual([{ field: 'bank/a.b.body/data/customer/ssn', method: 'last4', count: 1 }])
  })
})

describe('what can’t be masked with certainty is not let through', () => {
  test.each<[string, readonly (readonly [string, string])[], string, Masks]>([
    ['no content type', [], '{"a":1}', { 'body/a': 'fixed' }],
    [
      'two of them',
      [
        ['content-type', 'application/json'],
        ['content-type', 'text/plain'],
      ],
      '{"a":1}',
      { 'body/a': 'fixed' },
    ],
    ['another charset', [['content-type', 'application/json; charset=utf-16']], '{"a":1}', { 'body/a': 'fixed' }],
    [
      'an encoding',
      [
        ['content-type', 'application/json'],
        ['content-encoding', 'br'],
      ],
      '{"a":1}',
      { 'body/a': 'fixed' },
    ],
    [
      'a part',
      [
        ['content-type', 'application/json'],
        ['content-range', 'bytes 0-5/9'],
      ],
      '{"a":1}',
      { 'body/a': 'fixed' },
    ],
    ['a byte order mark', [['content-type', 'application/json']], '\uFEFF{"a":1}', { 'body/a': 'fixed' }],
    ['two values', [['content-type', 'application/json']], '{"a":1}{"a":2}', { 'body/a': 'fixed' }],
    ['a path in text', [['content-type', 'text/plain']], 'a=1', { 'body/a': 'fixed' }],
    ['a path in XML', [['content-type', 'application/xml']], '<a>1</a>', { 'body/a': 'fixed' }],
    ['anything in bytes', [['content-type', 'application/octet-stream']], 'a', { 'body~ssn': 'fixed' }],
    ['rows of different lengths', [['content-type', 'text/csv']], 'a,b\n1\n', { 'body/a': 'fixed' }],
    ['a column that comes twice', [['content-type', 'text/csv']], 'a,A\n1,2\n', { 'body/a': 'fixed' }],
    ['a quote in a cell', [['content-type', 'text/csv']], 'a,b\n1"2,3\n', { 'body/a': 'fixed' }],
    [
      'a form with a stray percent',
      [['content-type', 'application/x-www-form-urlencoded']],
      'a=%zz',
      { 'body/a': 'fixed' },
    ],
    [
      'lists in lists without end',
      [['content-type', 'application/json']],
      '['.repeat(300) + ']'.repeat(300),
      { 'body/**/a': 'fixed' },
    ],
  ])('%s', (_what, headers, body, parts) => {
    expect(() => maskBody(headers, Buffer.from(body), masksOf(parts).answered)).toThrow(ObligationError)
  })

  test('a field that nothing of the exchange can have', () => {
    for (const field of [
      'elsewhere.body',
      'bank/a.',
      'bank/a.b.column',
      'bank/a.b.body~shoe',
      'bank/a.b.request.query',
    ])
      expect(() => new ExchangeMasks([{ field, method: 'null' }], ['bank/a', 'bank/a.b'], NO_ALIASES, null)).toThrow(
        ObligationError,
      )
  })
})

test('text by pattern, and headers by name', () => {
  expect(shown('text/plain; charset="UTF-8"', 'ssn 900-11-1111.', { 'body~ssn': 'last4' })).toBe('ssn *******1111.')
  const masks = masksOf({ 'header.location': 'null', 'header.x-owner': 'email', 'request.header.x-memo': 'redact' })
  const lines = [
    ['Location', '/a'],
    ['X-Owner', 'alice@bank.example'],
    ['X-Memo', 'm'],
  ] as const
  expect(masks.headers(lines, 'answer')).toEqual([
    ['X-Owner', 'a***@***'],
    ['X-Memo', 'm'],
  ])
  expect(masks.headers(lines, 'request')).toEqual([
    ['Location', '/a'],
    ['X-Owner', 'alice@bank.example'],
    ['X-Memo', '[redacted]'],
  ])
  expect(masks.answered.isEmpty).toBe(true)
})

test('a hostile list of lists takes no more than its length', () => {
  const body = `${'[['.repeat(60)}{"a":"x"}${']]'.repeat(60)}`
  const masks: Masks = { 'body/**/a': 'fixed', 'body/*/*/a': 'fixed', 'body/**/b/**/c': 'fixed' }
  expect(json(body, masks)).toBe(body.replace('"x"', '"***"'))
})
