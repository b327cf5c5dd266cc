import { describe, expect, test } from 'vitest'
import { MaskingKey, type MaskMethod } from '../../../engine/index.ts'
import { md5OfAttributes } from '../../../planes/sqs/codec/message-digest.ts'
import { MessageMasks } from '../../../planes/sqs/enforcer/masking.ts'
import { jsonView } from '../../../planes/sqs/normalizer/json-text.ts'
import { isMessageText, messageBlock } from '../../../planes/sqs/normalizer/message.ts'

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))
const ARN = 'arn:aws:sqs:us-east-1:000000000000:q'

function masks(...fields: readonly (readonly [string, MaskMethod])[]): MessageMasks {
  return new MessageMasks(
    fields.map(([part, method]) => ({ field: `${ARN}.${part}`, method })),
    ARN,
    'NOTE',
    KEY,
  )
}

describe('a body', () => {
  test.each<[string, readonly (readonly [string, MaskMethod])[], string, string]>([
    [
      'is masked where the path leads, and byte for byte the same elsewhere',
      [['body/a/b', 'last4']],
      '{ "a" : {"b":"12345678"}, "n":1.50 }',
      '{ "a" : {"b":"****5678"}, "n":1.50 }',
    ],
    [
      'is masked in a number, which becomes a text',
      [['body/n', 'last4']],
      '{"n":12345678901234567890}',
      '{"n":"****************7890"}',
    ],
    ['keeps null, which tells nothing', [['body/a', 'redact']], '{"a":null}', '{"a":null}'],
    [
      'has a member hidden whole that should be a text',
      [['body/a', 'last4']],
      '{"a":{"deep":[1,"}"]},"b":1}',
      '{"a":"[redacted]","b":1}',
    ],
    [
      'is followed through lists of lists',
      [['body/a', 'fixed']],
      '[[{"a":"x"}],{"a":"y"}]',
      '[[{"a":"***"}],{"a":"***"}]',
    ],
    [
      'is followed by any key',
      [['body/*/s', 'fixed']],
      '{"x":{"s":"1"},"y":{"s":"2"}}',
      '{"x":{"s":"***"},"y":{"s":"***"}}',
    ],
    ['is masked in each of two keys of one name', [['body/s', 'fixed']], '{"s":"1","s":"2"}', '{"s":"***","s":"***"}'],
    [
      'is followed into JSON in a text',
      [['body/Message/s', 'last4']],
      '{"Message":"{\\"s\\":\\"12345\\"}"}',
      '{"Message":"{\\"s\\":\\"*2345\\"}"}',
    ],
    ['is withheld where the path meets no JSON', [['body/s', 'last4']], 'plain 12345', 'NOTE'],
    ['is withheld whole', [['body', 'redact']], 'anything', 'NOTE'],
    [
      'has patterns masked in texts and numbers, not in keys',
      [['body~ssn', 'last4']],
      '{"123-45-6789":"123-45-6789","n":123456789}',
      '{"123-45-6789":"*******6789","n":"*****6789"}',
    ],
    [
      'has patterns masked in JSON within a text',
      [['body~iban', 'fixed']],
      '{"m":"{\\"i\\":\\"DE89370400440532013000\\"}"}',
      '{"m":"{\\"i\\":\\"***\\"}"}',
    ],
    [
      'is masked by the stricter of two methods',
      [
        ['body/s', 'last4'],
        ['body~ssn', 'redact'],
      ],
      '{"s":"123-45-6789"}',
      '{"s":"*******6789"}',
    ],
    [
      'is masked once where a path and a pattern lead to the same',
      [
        ['body/s', 'pseudonym'],
        ['body~ssn', 'pseudonym'],
      ],
      '{"s":"123-45-6789","m":{"t":"123-45-6789"}}',
      `{"s":"${KEY.pseudonym('123-45-6789')}","m":{"t":"${KEY.pseudonym('123-45-6789')}"}}`,
    ],
    [
      'has an address hidden but for its first letter',
      [['body/e', 'email']],
      '{"e":"alice@bank.example"}',
      '{"e":"a***@***"}',
    ],
    [
      'keeps a date’s year, and nothing of what is no date',
      [['body/d', 'date-year']],
      '[{"d":"1980-05-06"},{"d":"6 May 1980"}]',
      '[{"d":"1980-01-01"},{"d":null}]',
    ],
  ])('%s', (_what, fields, sent, seen) => {
    const masked = masks(...fields).body(sent)
    expect(masked).toBe(seen)
    expect(isMessageText(masked)).toBe(true)
  })

  test('tells how often each mask was put over something', () => {
    const both = masks(['body/s', 'last4'], ['body/t', 'last4'])
    both.body('[{"s":"1"},{"s":"2"}]')
    expect(both.counts.map(({ count }) => count)).toEqual([2, 0])
  })

  test('has no part that nobody knows: such a mask is refused', () => {
    for (const part of ['bodyy', 'body~dna', 'attribute.', 'body/']) expect(() => masks([part, 'redact'])).toThrow(part)
    expect(() => new MessageMasks([{ field: 'other.body', method: 'redact' }], ARN, 'NOTE', KEY)).toThrow('other.body')
  })
})

test('attributes are masked in their own type, or left out', () => {
  const attributes = {
    a: { DataType: 'String', StringValue: '12345678' },
    b: { DataType: 'Binary', BinaryValue: 'AAEC' },
    c: { DataType: 'Number', StringValue: '42' },
    d: { DataType: 'String', StringValue: 'kept' },
  }
  const masked = masks(['attribute.a', 'last4'], ['attribute.b', 'last4'], ['attribute.c', 'last4']).attributes(
    attributes,
  )
  expect(masked).toEqual({ a: { DataType: 'String', StringValue: '****5678' }, d: attributes.d })
})

test('the digest of attributes is the one that SQS computes', () => {
  // The value that AWS's SDKs carry in their own tests of this algorithm is a service's; these two come from fauxqs and boto3.
  expect(md5OfAttributes({ x: { DataType: 'String', StringValue: '1' } })).toBe('4282151a8e15d1dfa856acee2d05b0e6')
  expect(md5OfAttributes({})).toBeNull()
})

describe('what policy sees of a body', () => {
  test.each<[string, unknown]>([
    ['{"amount":100}', { amount: 100 }],
    ['{"amount":1.50,"id":12345678901234567890,"e":1e3}', { amount: '1.50', id: '12345678901234567890', e: '1e3' }],
    ['{"a":{"b":1},"a":2}', undefined],
    [`${'['.repeat(40)}${']'.repeat(40)}`, undefined],
    [String.raw`{"a":1,"\u0061":2}`, undefined],
  ])('%s', (text, view) => {
    expect(jsonView(text)).toEqual(view)
  })

  test('is nothing but size and digest where it is large', () => {
    const large = messageBlock({ MessageBody: JSON.stringify({ a: 'x'.repeat(70_000) }) })
    expect(large).toMatchObject({ form: 'large', body: null, json: null, bytes: 70_008 })
  })

  test('and a body with characters that no message may hold is refused', () => {
    for (const body of ['\u0000', '\u000B', '\uFFFE', '\uD800'])
      expect(() => messageBlock({ MessageBody: body })).toThrow('characters')
  })
})
