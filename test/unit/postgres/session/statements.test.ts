import { describe, expect, test } from 'vitest'
import { NameTable } from '../../../../planes/postgres/session/statements.ts'

const LIMITS = { most: 3, bytes: 100, sizeOf: (text: string) => text.length }

describe('names that one batch defines', () => {
  test('are for that batch until the server confirms them', () => {
    const names = new NameTable<string>(LIMITS)
    const naming = names.define('s1', 'SELECT 1', 0)
    expect(names.lookUp('s1', 0)).toBe('SELECT 1')
    expect(names.lookUp('s1', 1)).toBe('unsettled')
    naming.confirm()
    expect(names.lookUp('s1', 1)).toBe('SELECT 1')
  })

  test('a Parse that the server skipped leaves the older statement, and nothing may be decided about the newer', () => {
    const names = new NameTable<string>(LIMITS)
    names.define('s1', 'SELECT ssn FROM customers', 0).confirm()
    const close = names.define('s1', null, 1)
    const parse = names.define('s1', 'SELECT 1', 1)
    expect(names.lookUp('s1', 2)).toBe('unsettled')
    close.abandon()
    parse.abandon()
    expect(names.lookUp('s1', 2)).toBe('SELECT ssn FROM customers')
  })

  test('a Close that was confirmed removes the name, within its batch at once', () => {
    const names = new NameTable<string>(LIMITS)
    names.define('s1', 'SELECT 1', 0).confirm()
    const close = names.define('s1', null, 1)
    expect(names.lookUp('s1', 1)).toBeUndefined()
    close.confirm()
    expect(names.lookUp('s1', 2)).toBeUndefined()
  })

  test('the unnamed statement, defined twice in one batch, ends as the later one', () => {
    const names = new NameTable<string>(LIMITS)
    const first = names.define('', 'SELECT 1', 0)
    const second = names.define('', 'SELECT 2', 0)
    first.confirm()
    expect(names.lookUp('', 0)).toBe('SELECT 2')
    second.confirm()
    expect(names.lookUp('', 1)).toBe('SELECT 2')
  })
})

test('a definition that is dropped uncovers the one before it, which the server may still confirm', () => {
  const names = new NameTable<string>(LIMITS)
  names.define('', 'SELECT 1', 0).confirm()
  const sent = names.define('', 'DELETE FROM customers', 1)
  names.define('', 'refused', 1).abandon()
  expect(names.lookUp('', 1)).toBe('DELETE FROM customers')
  expect(names.lookUp('', 2)).toBe('unsettled')
  sent.confirm()
  expect(names.lookUp('', 2)).toBe('DELETE FROM customers')
})

describe('what a session may keep', () => {
  test('is so many names, whether the server has confirmed them or not', () => {
    const names = new NameTable<string>(LIMITS)
    names.define('a', 'x', 0).confirm()
    names.define('a', 'y', 0).confirm() // takes the place of the other
    const second = names.define('b', 'x', 0)
    expect(names.full('x')).toBe(false)
    names.define('c', 'x', 0)
    expect(names.full('x')).toBe(true)
    second.abandon()
    expect(names.full('x')).toBe(false)
    names.clear()
    names.define('d', 'x', 0).confirm()
    names.define('d', null, 0).confirm()
    expect(names.full('x')).toBe(false)
  })

  test('is so many bytes', () => {
    const names = new NameTable<string>(LIMITS)
    names.define('a', 'x'.repeat(60), 0).confirm()
    expect(names.full('x'.repeat(40))).toBe(false)
    expect(names.full('x'.repeat(41))).toBe(true)
    names.delete('a')
    expect(names.full('x'.repeat(100))).toBe(false)
  })
})
