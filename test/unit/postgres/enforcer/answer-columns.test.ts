import { expect, test } from 'vitest'
import { answerColumns } from '../../../../planes/postgres/enforcer/answer-columns.ts'
import type { OutputColumn } from '../../../../planes/postgres/normalizer/index.ts'

const column = (name: string): OutputColumn => ({ name, sources: [], copy: true, typeOid: 25 })

test('columns are named, and a masked one tells by what', () => {
  const mask = { index: 1, field: 'public.customers.ssn', method: 'last4' } as const
  expect(answerColumns([column('name'), column('ssn')], [mask])).toEqual([
    { name: 'name' },
    { name: 'ssn', field: 'public.customers.ssn', method: 'last4' },
  ])
})

test('the names of one statement are made once', () => {
  const outputs = [column('id')]
  expect(answerColumns(outputs, [])).toBe(answerColumns(outputs, []))
})

test('names that would take the rows’ room end the list', () => {
  const outputs = Array.from({ length: 1664 }, () => column('\u0001'.repeat(63)))
  const columns = answerColumns(outputs, [])
  expect(columns.length).toBeGreaterThan(10)
  expect(JSON.stringify(columns).length).toBeLessThan(9 * 1024)
})
