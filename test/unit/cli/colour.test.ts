import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { listed } from '../../../cli/approval-page.ts'
import { paintFor } from '../../../cli/colour.ts'

const io = (isTTY: boolean | undefined, env: Record<string, string> = {}): Parameters<typeof paintFor>[0] => ({
  stdout: { write: () => true, isTTY },
  stderr: { write: () => true },
  env,
})

test('colours stand on a terminal that wants them, and nowhere else', () => {
  expect(paintFor(io(true))('bad', 'denied')).toBe('\u001b[31mdenied\u001b[39m')
  const plain = [io(undefined), io(false), io(true, { NO_COLOR: '1' }), io(true, { TERM: 'dumb' })]
  expect(plain.map((each) => paintFor(each)('bad', 'denied'))).toEqual(['denied', 'denied', 'denied', 'denied'])
})

test('a coloured table has its columns where a plain one has them', () => {
  const rows = [
    ['a', 'denied', 'x'],
    ['b', 'granted', 'y'],
  ]
  const coloured = listed(['ID', 'STATE', 'WHO'], rows, (column, _row, text) =>
    column === 1 ? paintFor(io(true))('bad', text) : text,
  )
  expect(stripVTControlCharacters(coloured)).toBe(listed(['ID', 'STATE', 'WHO'], rows))
})
