import { describe, expect, test } from 'vitest'
import { MASK_METHODS, MaskingKey, maskJsonValue, maskText } from '../../../engine/index.ts'
import { methodsUnder } from '../../../engine/masking/masking-key.ts'
import { Pseudonyms } from '../../../engine/masking/pseudonyms.ts'
import { maskBody } from '../../../planes/http/enforcer/body-masker.ts'
import { NO_ALIASES } from '../../../planes/http/enforcer/mask-plan.ts'
import { ExchangeMasks } from '../../../planes/http/enforcer/masks.ts'
import { TYPE_OID } from '../../../planes/postgres/enforcer/value-form.ts'
import { valueMask } from '../../../planes/postgres/enforcer/value-mask.ts'
import { MessageMasks } from '../../../planes/sqs/enforcer/masking.ts'

type Keyed = 'hash' | 'pseudonym'

const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))
const UUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'

function inColumn(method: Keyed, typeOid: number, value: string): string | null {
  const bytes = Buffer.from(value)
  const masked = valueMask(method, typeOid, 0, KEY)(bytes, 0, bytes.length)
  return masked === 'in-place' ? 'in place' : (masked?.toString() ?? null)
}

function overHttp(method: Keyed, type: string, body: string, part = 'body/v'): string {
  const masks = new ExchangeMasks([{ field: `r.${part}`, method }], ['r'], NO_ALIASES, KEY)
  return maskBody([['content-type', type]], Buffer.from(body), masks.answered).toString('utf8')
}

function inMessage(method: Keyed, body: string): string {
  return new MessageMasks([{ field: 'q.body/v', method }], 'q', 'NOTE', KEY).body(body)
}

describe('a value looks alike in every plane', () => {
  test.each<[Keyed, string]>([
    ['hash', '900-11-1111'],
    ['pseudonym', '900-11-1111'],
    ['pseudonym', 'DE89 3704 0044 0532 0130 00'],
    ['pseudonym', 'Zoë, of whom there are too few'],
    ['pseudonym', UUID],
    ['hash', UUID],
  ])('%s of the text %j', (method, value) => {
    const other = inColumn(method, TYPE_OID.text, value) ?? ''
    expect(other).not.toBe(value)
    const json = JSON.stringify({ v: value })
    expect(overHttp(method, 'application/json', json)).toBe(JSON.stringify({ v: other }))
    expect(overHttp(method, 'application/x-ndjson', `${json}\n${json}\n`)).toBe(`{"v":"${other}"}\n{"v":"${other}"}\n`)
    expect(overHttp(method, 'text/event-stream', `data: ${json}\n\n`)).toBe(`data: {"v":"${other}"}\n\n`)
    expect(overHttp(method, 'text/csv', `v\r\n"${value}"\r\n`)).toBe(`v\r\n${other}\r\n`)
    const form = new URLSearchParams(
      overHttp(method, 'application/x-www-form-urlencoded', `v=${encodeURIComponent(value)}`),
    )
    expect(form.get('v')).toBe(other)
    expect(inMessage(method, json)).toBe(JSON.stringify({ v: other }))
  })

  test('a UUID has the form of one, whether a column of such has it or a text', () => {
    for (const method of ['hash', 'pseudonym'] as const) {
      const other = inColumn(method, TYPE_OID.uuid, UUID)
      expect(other).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(maskText(method, UUID, KEY)).toBe(other)
    }
  })

  test.each(['42', '-7', '9001111111', '9007199254740991', '9007199254740992', '-9223372036854775808'])(
    'the pseudonym of the number %s is one, and no wider',
    (value) => {
      const other = inColumn('pseudonym', TYPE_OID.int8, value) ?? ''
      expect(overHttp('pseudonym', 'application/json', `{"v": ${value}}`)).toBe(`{"v": ${other}}`)
      expect(inMessage('pseudonym', `{"v":${value}}`)).toBe(`{"v":${other}}`)
      expect(Number.isSafeInteger(Number(other))).toBe(Number.isSafeInteger(Number(value)))
    },
  )

  test('what was found by its pattern joins with the column that holds it alone', () => {
    const other = inColumn('pseudonym', TYPE_OID.text, '900-11-1111') ?? ''
    const body = overHttp('pseudonym', 'text/plain', 'ssn 900-11-1111!', 'body~ssn')
    expect(body).toBe(`ssn ${other}!`)
  })

  test('an attribute of numbers holds one', () => {
    const masks = new MessageMasks([{ field: 'q.attribute.a', method: 'pseudonym' }], 'q', 'NOTE', KEY)
    const masked = (StringValue: string): unknown => masks.attributes({ a: { DataType: 'Number', StringValue } })
    const StringValue = inColumn('pseudonym', TYPE_OID.numeric, '9001111111')
    expect(masked('9001111111')).toEqual({ a: { DataType: 'Number', StringValue } })
    expect(masked('1.5')).toEqual({})
    expect(masks.counts).toEqual([{ field: 'q.attribute.a', method: 'pseudonym', key: 'k1', count: 2 }])
  })
})

test('JSON that has too few values to hide among, or no exact ones, is null; null and containers say nothing', () => {
  for (const found of ['true', 'false', '1.50', '1e3', '99999999999999999999'])
    expect(maskJsonValue('pseudonym', found, KEY)).toBe('null')
  expect(maskJsonValue('hash', 'true', KEY)).toBe('null')
  expect(maskJsonValue('hash', '42', KEY)).toBe(JSON.stringify(inColumn('hash', TYPE_OID.text, '42')))
  expect(maskJsonValue('hash', 'null', KEY)).toBe('null')
  expect(maskJsonValue('pseudonym', '{', KEY)).toBe('"[redacted]"')
})

test('without a key no keyed method is carried out, and none shows anything', () => {
  expect(methodsUnder(KEY, MASK_METHODS)).toEqual(MASK_METHODS)
  expect(methodsUnder(null, MASK_METHODS)).toEqual(
    MASK_METHODS.filter((method) => method !== 'hash' && method !== 'pseudonym'),
  )
  for (const method of ['hash', 'pseudonym'] as const) {
    expect(maskText(method, '900-11-1111', null)).toBeNull()
    expect(maskJsonValue(method, '9001111111', null)).toBe('null')
  }
})

test('what is no UUID never becomes one: those stand for others', () => {
  const pseudonyms = new Pseudonyms(Buffer.alloc(32, 3))
  const texts = Array.from('ghijklmnopqrstuvwxyz', (letter) => `${letter}0000000-0000-0000-0000-000000000000`)
  const others = texts.map((text) => pseudonyms.text(text) ?? '')
  expect(others.every((other) => !/^[0-9a-f-]+$/.test(other))).toBe(true)
})
