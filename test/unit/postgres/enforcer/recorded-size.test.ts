import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Resource } from '../../../../engine/index.ts'
import { withinRecord } from '../../../../planes/postgres/enforcer/recorded-size.ts'

const LIMIT = 64 * 1024

function asked(values: readonly (string | null)[]): Parameters<typeof withinRecord> {
  const part = { name: 'note', labels: [], uses: ['written'], values } as const
  const resources: readonly Resource[] = [{ type: 'table', name: 'public.notes', labels: [], parts: [part] }]
  return [{ resources, block: { kind: 'insert', parameters: values } }, values]
}

test('what fits is recorded as it is', () => {
  const [view, parameters] = asked(['x'.repeat(30_000), null])
  expect(withinRecord(view, parameters)).toBe(view)
})

test('a long value that would not fit is recorded by its digest, and the short ones stay', () => {
  const long = 'ž'.repeat(100_000)
  const { block, resources } = withinRecord(...asked([long, '7', null]))
  const kept = [`[200000 bytes, SHA-256 ${hash('sha256', long)}]`, '7', null]
  expect(block).toEqual({ kind: 'insert', parameters: kept })
  expect(resources[0]?.parts[0]).toMatchObject({ name: 'note', values: kept })
})

test.each([
  ['many short values', Array.from({ length: 20_000 }, String)],
  ['many long ones', Array.from({ length: 2000 }, (_, n) => `${n}`.repeat(40))],
  ['characters that JSON escapes', Array.from({ length: 200 }, () => '\u0001'.repeat(90))],
])('%s are recorded by one digest', (_, values) => {
  const view = withinRecord(...asked(values))
  expect(Buffer.byteLength(JSON.stringify(view))).toBeLessThan(LIMIT + 1000)
  expect(view.block).toEqual({
    kind: 'insert',
    parameters: [expect.stringMatching(`^.${values.length} values, SHA-256`)],
  })
})
