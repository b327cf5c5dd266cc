import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PolicyError } from '../../../engine/errors.ts'
import { formatFloat } from '../../../engine/policy/builtins/go-float.ts'
import { parseDocument } from '../../../engine/policy/json-document.ts'
import { compareRego, parseRegoValue, printRegoValue } from '../../../engine/policy/rego-value.ts'
import type { RegoValue } from '../../../engine/policy/rego-value.ts'
import { readResult } from '../../../engine/policy/result.ts'
import { sprintf } from '../../../engine/policy/builtins/sprintf.ts'
import { readTar, writeTar } from '../../../engine/policy/tar.ts'

const text = fc.string({ unit: 'grapheme' })
const number = fc
  .oneof(
    fc.bigInt().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toString()),
  )
  .map((written) => ({ kind: 'number' as const, text: written }))

const { value: anyValue } = fc.letrec<{ value: RegoValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false),
    number,
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    distinct(tie('value')).map((values) => ({ kind: 'set' as const, values })),
    fc.tuple(distinct(tie('value')), fc.array(tie('value'), { minLength: 4, maxLength: 4 })).map(([keys, values]) => ({
      kind: 'object' as const,
      entries: keys.map((key, at) => [key, values[at] ?? null] as const),
    })),
  ),
}))

function distinct(values: fc.Arbitrary<RegoValue>): fc.Arbitrary<RegoValue[]> {
  return fc
    .uniqueArray(values, { maxLength: 4, comparator: (one, other) => compareRego(one, other) === 0 })
    .map((items) => items.toSorted(compareRego))
}

test('a value is read back as it was written', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      expect(parseRegoValue(printRegoValue(value))).toEqual(value)
    }),
  )
})

test('values have one total order', () => {
  fc.assert(
    fc.property(anyValue, anyValue, anyValue, (one, two, three) => {
      expect(compareRego(one, one)).toBe(0)
      expect(Math.sign(compareRego(one, two))).toBe(-Math.sign(compareRego(two, one)) + 0)
      const [low, middle, high] = [one, two, three].toSorted(compareRego)
      if (low === undefined || middle === undefined || high === undefined) throw new Error('three values')
      expect(compareRego(low, high)).toBeLessThanOrEqual(0)
    }),
  )
})

test('reading any text gives a value or PolicyError', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...Array.from('{}[](),: "\\u01eset.-ntrue')) }), (junk) => {
      expect(outcomeOf(() => printRegoValue(parseRegoValue(junk)))).toBe('text or PolicyError')
    }),
  )
})

test('no JSON at all is a verdict by chance', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(() => readResult(`{{"result": ${json}}}`)).toThrow(PolicyError)
    }),
  )
})

test('a document’s canonical text says what the document says', () => {
  fc.assert(
    fc.property(fc.dictionary(text, fc.jsonValue()), (document) => {
      const written = JSON.stringify(document)
      const { value, canonical } = parseDocument('data.json', Buffer.from(written))
      expect(JSON.parse(canonical)).toEqual(JSON.parse(written))
      expect(JSON.parse(JSON.stringify(value))).toEqual(JSON.parse(written))
      expect(parseDocument('data.json', Buffer.from(canonical)).canonical).toBe(canonical)
    }),
  )
})

test('a float written without a precision reads back as the same float', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom('e', 'f', 'g'), (value, verb) => {
      expect(Number(formatFloat(value, verb, -1))).toBe(value)
    }),
  )
})

test('a float rounds as JavaScript does wherever there is no tie', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, min: -1e20, max: 1e20 }), fc.nat({ max: 20 }), (value, places) => {
      const exact = value.toFixed(Math.min(places + 60, 100))
      fc.pre(!/^50*$/.test(exact.slice(exact.length - 60)))
      expect(formatFloat(value, 'f', places)).toBe(
        Object.is(value, -0) ? `-${value.toFixed(places)}` : value.toFixed(places),
      )
    }),
  )
})

test('any format gives text or PolicyError', () => {
  const format = fc.string({ unit: fc.constantFrom(...Array.from('%%%vdsqxXobcUefgGtTpw[]123*.#+- 0é😀')) })
  const operand = fc.oneof(
    text.map((value) => ({ kind: 'string' as const, value })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ kind: 'int64' as const, value })),
    fc.bigInt({ min: 2n ** 63n }).map((value) => ({ kind: 'bigint' as const, value })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ kind: 'float64' as const, value })),
  )
  fc.assert(
    fc.property(format, fc.array(operand, { maxLength: 3 }), (pattern, operands) => {
      expect(outcomeOf(() => sprintf(pattern, operands))).toBe('text or PolicyError')
    }),
  )
})

test('an archive is read back as it was written', () => {
  const name = fc.stringMatching(/^[a-z0-9_-]{1,20}(\/[a-z0-9_-]{1,20}){0,2}$/)
  const file = fc.record({ name, content: fc.uint8Array({ maxLength: 1500 }) })
  fc.assert(
    fc.property(fc.uniqueArray(file, { selector: ({ name: path }) => path, maxLength: 6 }), (files) => {
      const read = readTar(writeTar(files))
      expect(read.map((one) => ({ name: one.name, content: Uint8Array.from(one.content) }))).toEqual(files)
    }),
  )
})

test('reading any bytes as an archive gives files or PolicyError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (bytes) => {
      expect(() => readTar(bytes)).toThrow(PolicyError)
    }),
  )
})

function outcomeOf(run: () => unknown): string {
  try {
    return typeof run() === 'string' ? 'text or PolicyError' : 'something else'
  } catch (error) {
    return error instanceof PolicyError ? 'text or PolicyError' : String(error)
  }
}
