import { describe, expect, it, test } from 'vitest'
import { canonicalJson } from '../../../engine/evidence/index.ts'
import { leafHash } from '../../../engine/evidence/merkle.ts'

describe('what has no canonical form', () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  test.each([
    ['NaN', Number.NaN, 'not finite'],
    ['infinity', Number.NEGATIVE_INFINITY, 'not finite'],
    ['a lone high surrogate', 'a\ud800', 'not valid Unicode'],
    ['a lone low surrogate in a name', { '\udc00': 1 }, 'not valid Unicode'],
    ['a bigint', 1n, 'type bigint'],
    ['undefined in an array', [undefined], 'type undefined'],
    ['a function', { f: () => 1 }, 'type function'],
    ['a Date', { at: new Date(0) }, 'not plain'],
    ['a Map', new Map([['a', 1]]), 'not plain'],
    ['bytes', Buffer.from('a'), 'not plain'],
    ['a cycle', cyclic, 'nested deeper than 128'],
  ])('%s is refused', (_, value, why) => {
    expect(() => canonicalJson(value)).toThrow(
      expect.objectContaining({ code: 'ERR_EVIDENCE_RECORD', message: expect.stringContaining(why) }),
    )
  })
})

describe('RFC 8785', () => {
  // Appendix B: IEEE 754 bits and the text that stands for them.
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['ffefffffffffffff', '-1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['c340000000000000', '-9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef4f', '999999999999999900000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555553', '333333333.3333332'],
    ['41b3de4355555554', '333333333.33333325'],
    ['41b3de4355555555', '333333333.3333333'],
    ['41b3de4355555556', '333333333.3333334'],
    ['41b3de4355555557', '333333333.33333343'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('number %s is %s', (bits, text) => {
    expect(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text)
  })

  it('orders members by UTF-16 code units, not by code points (3.2.3)', () => {
    const members = { '€': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 }
    expect(canonicalJson(members)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}')
  })

  it('writes strings, numbers and literals as its worked example does (3.2.2)', () => {
    const numbers = [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001]
    const value = { numbers, string: '€$\u000f\nA\'B"\\\\"/', literals: [null, true, false] }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })
})

it('leaves out members that are undefined, and keeps __proto__ as the name it is', () => {
  const hostile: unknown = JSON.parse('{"b":1,"__proto__":{"a":2}}')
  expect(canonicalJson({ gone: undefined, kept: null })).toBe('{"kept":null}')
  expect(canonicalJson(hostile)).toBe('{"__proto__":{"a":2},"b":1}')
})

it('hashes a leaf as RFC 6962 does', () => {
  expect(leafHash('')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
})
