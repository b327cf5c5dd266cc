import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonicalJson } from '../../../engine/evidence/index.ts'

const json = fc
  .jsonValue({ maxDepth: 5, stringUnit: 'binary' })
  .map((value): unknown => JSON.parse(JSON.stringify(value)))

/** The same value with its members in another order. */
function shuffled(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(shuffled)
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, shuffled(member)]),
  )
}

it('means the value it was made of, and has one form for each value', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value)
      expect(JSON.parse(text)).toEqual(value)
      expect(canonicalJson(shuffled(value))).toBe(text)
      expect(canonicalJson(JSON.parse(text))).toBe(text)
    }),
    { numRuns: 500 },
  )
})

it('orders the members of an object by code units, without white space', () => {
  const names = fc.uniqueArray(fc.string({ unit: 'binary' }), { maxLength: 20 })
  fc.assert(
    fc.property(names, (members) => {
      const sorted = members.toSorted((a, b) => (a < b ? -1 : 1))
      const expected = `{${sorted.map((name) => `${JSON.stringify(name)}:0`).join(',')}}`
      expect(canonicalJson(Object.fromEntries(members.map((name) => [name, 0])))).toBe(expected)
    }),
    { numRuns: 300 },
  )
})
