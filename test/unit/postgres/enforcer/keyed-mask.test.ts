import { describe, expect, test } from 'vitest'
import { Ff1 } from '../../../../engine/masking/ff1.ts'
import { MaskingKey } from '../../../../engine/masking/masking-key.ts'
import { Pseudonyms } from '../../../../engine/masking/pseudonyms.ts'
import { TYPE_OID } from '../../../../planes/postgres/enforcer/value-form.ts'
import { valueMask } from '../../../../planes/postgres/enforcer/value-mask.ts'
import { parameterText } from '../../../../planes/postgres/session/parameters.ts'

const { text, varchar, bpchar, int2, int4, int8, numeric, uuid, bytea, json, jsonb, date } = TYPE_OID
const KEY = new MaskingKey('k1', Buffer.alloc(32, 1))
const OTHER_KEY = new MaskingKey('k2', Buffer.alloc(32, 2))

function masked(
  method: 'hash' | 'pseudonym',
  typeOid: number,
  value: string | Buffer,
  format: 0 | 1 = 0,
  key = KEY,
): Buffer | null {
  const bytes = Buffer.from(value)
  const result = valueMask(method, typeOid, format, key)(bytes, 0, bytes.length)
  if (result === 'in-place') throw new Error('a keyed method makes new bytes')
  return result
}

const hash = (typeOid: number, value: string): string | undefined => masked('hash', typeOid, value)?.toString()
const pseudonym = (typeOid: number, value: string): string | undefined =>
  masked('pseudonym', typeOid, value)?.toString()

describe('FF1, by the sample values that NIST published with SP 800-38G', () => {
  const LONGEST = '2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94'
  const DECIMAL = '39383736353433323130'
  const ALPHANUMERIC = '3737373770717273373737'

  test.each([
    [16, 10, '', '0123456789', '2433477484'],
    [16, 10, DECIMAL, '0123456789', '6124200773'],
    [16, 36, ALPHANUMERIC, '0123456789abcdefghi', 'a9tv40mll9kdu509eum'],
    [24, 10, '', '0123456789', '2830668132'],
    [24, 10, DECIMAL, '0123456789', '2496655549'],
    [24, 36, ALPHANUMERIC, '0123456789abcdefghi', 'xbj3kv35jrawxv32ysr'],
    [32, 10, '', '0123456789', '6657667009'],
    [32, 10, DECIMAL, '0123456789', '1001623463'],
    [32, 36, ALPHANUMERIC, '0123456789abcdefghi', 'xs8a0azh2avyalyzuwd'],
  ])('AES with %i bytes of key, radix %i, tweak %j: %s becomes %s', (bytes, radix, tweak, plain, cipher) => {
    const ff1 = new Ff1(Buffer.from(LONGEST, 'hex').subarray(0, bytes), radix, plain.length, Buffer.from(tweak, 'hex'))
    const value = Array.from(plain).reduce((sum, numeral) => sum * BigInt(radix) + BigInt(parseInt(numeral, radix)), 0n)
    expect(ff1.encrypt(value).toString(radix).padStart(plain.length, '0')).toBe(cipher)
  })

  test('every string of a small radix and length has another of its own', () => {
    const ff1 = new Ff1(Buffer.alloc(32), 2, 10, Buffer.from('any tweak, longer than a block of the cipher'))
    const all = Array.from({ length: 1024 }, (_, value) => ff1.encrypt(BigInt(value)))
    expect(new Set(all).size).toBe(1024)
    expect(all.every((value) => value >= 0n && value < 1024n)).toBe(true)
  })
})

describe('hash', () => {
  test('is the same for the same text in every text type, and another under another key', () => {
    const one = hash(text, '078-05-1120')
    expect(one).toMatch(/^[0-9a-f]{32}$/)
    expect(hash(varchar, '078-05-1120')).toBe(one)
    expect(hash(bpchar, '078-05-1120   ')).toBe(one)
    expect(hash(text, '078-05-1121')).not.toBe(one)
    expect(masked('hash', text, '078-05-1120', 0, OTHER_KEY)?.toString()).not.toBe(one)
  })

  test('is the same whether the value came as text or binary', () => {
    const eight = Buffer.alloc(8)
    eight.writeBigInt64BE(-42n)
    expect(masked('hash', int8, eight, 1)?.readBigInt64BE().toString()).toBe(hash(int8, '-42'))
    const id = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
    const binary = masked('hash', uuid, Buffer.from(id.replaceAll('-', ''), 'hex'), 1)
    expect(binary?.toString('hex')).toBe(hash(uuid, id)?.replaceAll('-', ''))
    expect(masked('hash', bytea, Buffer.from('00ff', 'hex'), 1)?.toString('hex')).toBe(hash(bytea, '\\x00ff')?.slice(2))
    expect(masked('hash', jsonb, '\u0001{"a": 1}', 1)?.toString()).toBe(`\u0001${hash(jsonb, '{"a": 1}')}`)
    const ten = Buffer.from('0001000000000000000a', 'hex')
    expect(parameterText(masked('hash', numeric, ten, 1), 1, numeric)).toBe(hash(numeric, '10'))
  })

  test('has a form that its type has, and NULL where there are too few', () => {
    expect(hash(uuid, '6f9619ff-8b86-d011-b42d-00c04fc964ff')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/)
    expect(JSON.parse(hash(json, '{}') ?? '')).toMatch(/^[0-9a-f]{32}$/)
    for (const typeOid of [int2, int4, date, TYPE_OID.bool, TYPE_OID.float8, TYPE_OID.inet, 98_765]) {
      expect(hash(typeOid, '1')).toBeUndefined()
      expect(masked('hash', typeOid, Buffer.alloc(4), 1)).toBeNull()
    }
  })

  test('of a binary value that is none of its type is NULL', () => {
    for (const typeOid of [int8, numeric, uuid, jsonb]) expect(masked('hash', typeOid, Buffer.alloc(3), 1)).toBeNull()
  })
})

describe('pseudonym', () => {
  test.each(['078-05-1120', 'Alice Archer', 'alice@bank.example', 'DE89 3704 0044 0532 0130 00', '+1 (555) 010-0001'])(
    '%j keeps its format, and nothing of itself',
    (value) => {
      const other = pseudonym(text, value) ?? ''
      expect(formatOf(other)).toBe(formatOf(value))
      expect(other).not.toBe(value)
      expect(pseudonym(varchar, value)).toBe(other)
      expect(masked('pseudonym', text, value, 1)?.toString()).toBe(other)
      expect(masked('pseudonym', text, value, 0, OTHER_KEY)?.toString()).not.toBe(other)
    },
  )

  test('a padded text has the pseudonym of what stands before the padding', () => {
    expect(pseudonym(bpchar, '078-05-1120     ')).toBe(`${pseudonym(text, '078-05-1120')}     `)
  })

  test.each([
    '',
    '12345',
    'abcd',
    'Zoë Müller-Lüdenscheidt',
    '地址在东京都某区',
    'a\nb\nc\nd\ne\nf',
    '1'.repeat(65),
    '-- -- --',
  ])('%j, of which there are too few or which would stand there as it is, gets its hash', (value) => {
    expect(pseudonym(text, value)).toBe(hash(text, value))
  })

  test('no two values of a format share one, and all are of that format', () => {
    const pseudonyms = new Pseudonyms(Buffer.alloc(32, 3))
    const values = Array.from({ length: 2000 }, (_, index) => `${String(index).padStart(5, '0')}-A`)
    const others = values.map((value) => pseudonyms.text(value))
    expect(new Set(others).size).toBe(values.length)
    expect(others.every((other) => /^\d{5}-[A-Z]$/.test(other ?? ''))).toBe(true)
  })

  test('of integers is one of the same sign that fits, the same for int4, int8 and numeric', () => {
    for (const value of ['0', '7', '2147483647', '-1', '-2147483648']) {
      const other = pseudonym(int4, value) ?? ''
      expect(BigInt.asIntN(32, BigInt(other))).toBe(BigInt(other))
      expect(other.startsWith('-')).toBe(value.startsWith('-'))
      expect([pseudonym(int8, value), pseudonym(numeric, value)]).toEqual([other, other])
      const binary = Buffer.alloc(4)
      binary.writeInt32BE(Number(value))
      expect(masked('pseudonym', int4, binary, 1)?.readInt32BE()).toBe(Number(other))
    }
    for (const value of ['2147483648', '9223372036854775807', '-9223372036854775808']) {
      const other = BigInt(pseudonym(int8, value) ?? '')
      expect(BigInt.asIntN(64, other)).toBe(other)
      expect(other < 2n ** 31n && other >= -(2n ** 31n)).toBe(false)
      const binary = masked('pseudonym', int8, Buffer.from(hex64(BigInt(value)), 'hex'), 1)
      expect(binary?.readBigInt64BE()).toBe(other)
    }
  })

  test('of a numeric comes in binary as in text; one with places, or beyond int8, is NULL', () => {
    const ten = Buffer.from('0001000000000000000a', 'hex')
    expect(parameterText(masked('pseudonym', numeric, ten, 1), 1, numeric)).toBe(pseudonym(numeric, '10'))
    for (const value of ['1.50', 'NaN', '9223372036854775808']) expect(pseudonym(numeric, value)).toBeUndefined()
  })

  test('of a uuid is a uuid, in both formats', () => {
    const id = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
    const other = pseudonym(uuid, id)
    expect(other).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(masked('pseudonym', uuid, Buffer.from(id.replaceAll('-', ''), 'hex'), 1)?.toString('hex')).toBe(
      other?.replaceAll('-', ''),
    )
  })

  test('of what has no format to preserve is NULL, and of a document its hash', () => {
    for (const typeOid of [int2, date, TYPE_OID.bool, TYPE_OID.inet, 98_765]) {
      expect(pseudonym(typeOid, '1')).toBeUndefined()
    }
    expect(pseudonym(json, '{"a": 1}')).toBe(hash(json, '{"a": 1}'))
  })
})

function formatOf(value: string): string {
  return value.replace(/\d/g, '0').replace(/[a-z]/g, 'a').replace(/[A-Z]/g, 'A')
}

function hex64(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, '0')
}
