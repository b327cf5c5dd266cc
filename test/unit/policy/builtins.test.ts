import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BUILTINS } from '../../../engine/policy/builtins.ts'
import { goQuote } from '../../../engine/policy/builtins/go-quote.ts'
import { parseRegoValue, printRegoValue } from '../../../engine/policy/rego-value.ts'
import { FIXTURES } from './bundles.ts'

interface Vector {
  readonly name: string
  /** As Rego writes them. */
  readonly operands: readonly string[]
  /** Null where OPA reports an error. */
  readonly result: string | null
}

const lines = (await readFile(join(FIXTURES, 'builtins.jsonl'), 'utf8')).trim().split('\n')
const vectors: readonly Vector[] = lines.map((line) => JSON.parse(line))

const call = (name: string, operands: readonly string[]) => {
  const builtin = BUILTINS.get(name)
  if (builtin === undefined) throw new Error(`no builtin ${name}`)
  const answer = builtin.call(operands.map(parseRegoValue), { nowNs: 0n, random: (bytes) => new Uint8Array(bytes) })
  return answer === undefined ? undefined : printRegoValue(answer, goQuote)
}

describe('the table', () => {
  test('is the list that the compiler is given', async () => {
    const listed: unknown = JSON.parse(await readFile(join(FIXTURES, '../../../policies/host-builtins.json'), 'utf8'))
    expect([...BUILTINS.keys()].toSorted()).toEqual(listed)
  })

  test('tells which answers a replay has to be given again', () => {
    expect([...BUILTINS].filter(([, { recorded }]) => recorded).map(([name]) => name)).toEqual([
      'rand.intn',
      'time.now_ns',
      'uuid.rfc4122',
    ])
  })
})

// The others are held against OPA's own cases (opa-cases.test.ts).
describe.each([...new Set(vectors.map(({ name }) => name))])('%s', (name) => {
  const own = vectors.filter((vector) => vector.name === name)

  test('answers as OPA 1.22.2 does', () => {
    const answered = own.filter(({ result }) => result !== null)
    expect(answered.length).toBeGreaterThan(4)
    const mine = answered.map(({ operands }) => [...operands, call(name, operands)])
    expect(mine).toEqual(answered.map(({ operands, result }) => [...operands, result]))
  })

  test('fails where OPA does, and tells no operand', () => {
    const failing = own.filter(({ result }) => result === null)
    expect(failing.length).toBeGreaterThan(1)
    for (const { operands } of failing) {
      expect(() => call(name, operands)).toThrow(
        expect.objectContaining({
          code: expect.stringMatching('^ERR_POLICY_BUILTIN'),
          message: expect.stringMatching(`^${name}: expected`),
        }),
      )
    }
  })
})

describe('where the host refuses what Go would do', () => {
  test.each([
    ['sprintf', ['"%x"', '[1.5]'], 'does not format a float64 with %x'],
    ['sprintf', ['"%b"', '[0.5]'], 'does not format a float64 with %b'],
    ['sprintf', ['"%w"', '["x"]'], 'does not format a string with %w'],
    // Go prints the address that the number has in its memory.
    ['sprintf', ['"%p"', '[9223372036854775808]'], 'does not format a bigint with %p'],
    ['sprintf', ['"%1000001d"', '[1]'], 'a width or precision is larger than 1000000'],
    ['hex.decode', ['"ff"'], 'bytes that are UTF-8 text'],
    ['urlquery.decode', ['"%ff"'], 'bytes that are UTF-8 text'],
    ['time.clock', ['[0, "Local"]'], 'the name of a time zone'],
    ['object.subset', ['{1e5000}', '{1e-5000}'], 'out of the range that is compared'],
  ])('%s(%s)', (name, operands, message) => {
    expect(() => call(name, operands)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^ERR_POLICY_(BUILTIN|BUILTIN_LIMIT|EVALUATION)$/),
        message: expect.stringContaining(message),
      }),
    )
  })
})

describe('values as text', () => {
  test.each([
    'null',
    '[1, 2.50, -0.1e+10]',
    '{"a": {"b": [null, true]}}',
    'set()',
    '{}',
    '{1, "a", {2}}',
    '{1: 2, [3]: {4}, {"k"}: set()}',
    '"\\u0000\\n\\"\\\\"',
  ])('%s is read and written back', (text) => {
    expect(printRegoValue(parseRegoValue(text))).toBe(text)
  })

  test('sets and keys stand in OPA’s order, text by its bytes', () => {
    const unsorted = '{{"z": 1, null: 2, 3: 4}, "\ud83d\ude00", [1], "\uffee", 10, 9.5, true, false, null, {2, 1}}'
    expect(printRegoValue(parseRegoValue(unsorted))).toBe(
      '{null, false, true, 9.5, 10, "\uffee", "\ud83d\ude00", [1], {null: 2, 3: 4, "z": 1}, {1, 2}}',
    )
  })

  test.each([
    '',
    '{',
    '[1',
    '{1',
    '{1: }',
    '{1: 2, 3}',
    '{1, 2: 3}',
    '[1 2]',
    'nul',
    '"a',
    '1x',
    '{,}',
    '[,]',
    '-',
    '"\\{"',
  ])('%s is no value', (text) => {
    expect(() => parseRegoValue(text)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_EVALUATION' }))
  })
})
