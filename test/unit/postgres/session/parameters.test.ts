import { describe, expect, test } from 'vitest'
import { parameterText } from '../../../../planes/postgres/session/parameters.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('Bind values as policy sees them', () => {
  test.each([
    ['int2', 21, 'fffe', '-2'],
    ['int4', 23, '0003d090', '250000'],
    ['int8 beyond 2^53', 20, '7fffffffffffffff', '9223372036854775807'],
    ['bool', 16, '01', 't'],
    ['oid', 26, 'ffffffff', '4294967295'],
    ['float8', 701, '410e848000000000', '250000'],
    ['text', 25, '616263', 'abc'],
    ['uuid', 2950, '00112233445566778899aabbccddeeff', '00112233-4455-6677-8899-aabbccddeeff'],
    ['numeric 250000.00', 1700, '0002 0001 0000 0002 0019 0000', '250000.00'],
    ['numeric 0', 1700, '0000 0000 0000 0000', '0'],
    ['numeric 0.0001', 1700, '0001 ffff 0000 0004 0001', '0.0001'],
    ['numeric 0.00000001', 1700, '0001 fffe 0000 0008 0001', '0.00000001'],
    ['numeric -12345678.9', 1700, '0003 0001 4000 0001 04d2 162e 2328', '-12345678.9'],
    ['numeric 10^8', 1700, '0001 0002 0000 0000 0001', '100000000'],
    ['numeric NaN', 1700, '0000 0000 c000 0000', 'NaN'],
  ])('binary %s', (_, oid, bytes, expected) => {
    expect(parameterText(hex(bytes), 1, oid)).toBe(expected)
  })

  test.each([
    ['an unknown type', 0, '0003d090'],
    ['an int4 of three bytes', 23, '03d090'],
    ['a numeric cut short', 1700, '0002 0001 0000 0002 0019'],
    ['a numeric with a digit too many', 1700, '0001 0001 0000 0002 0019 0000'],
    ['text that is not UTF-8', 25, 'ff'],
    ['a date', 1082, '00000001'],
  ])('%s is not knowable, and says so', (_, oid, bytes) => {
    expect(parameterText(hex(bytes), 1, oid)).toBeUndefined()
  })

  test('NULL is null in either format', () => {
    expect(parameterText(null, 1, 23)).toBeNull()
    expect(parameterText(null, 0, 0)).toBeNull()
  })

  test('text needs no type', () => {
    expect(parameterText(Buffer.from('250000'), 0, 0)).toBe('250000')
  })
})
