import { expect, test } from 'vitest'
import { uuidv7 } from '../../../cli/uuid.ts'

test('version and variant stand where RFC 9562 puts them, the time first', () => {
  // The RFC's own example time (A.6): 2022-02-22T19:22:22.000Z is 017f22e279b0 in milliseconds.
  expect(uuidv7(Date.parse('2022-02-22T19:22:22.000Z'))).toMatch(
    /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
})

test('later ids sort later, and none comes twice', () => {
  const ids = Array.from({ length: 2000 }, (_, ms) => uuidv7(1_700_000_000_000 + ms))
  expect(ids.toSorted()).toEqual(ids)
  const atOnce = Array.from({ length: 10_000 }, () => uuidv7(1_700_000_000_000))
  expect(new Set(atOnce).size).toBe(atOnce.length)
})
