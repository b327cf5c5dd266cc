import { describe, expect, test } from 'vitest'
import { nearest } from '../../../engine/nearest.ts'
import { parseDuration, parseSize } from '../../../engine/units.ts'

describe('durations', () => {
  test.each(['', '15', '0s', '-1s', '1.5h', '15 m', '15M', '1w', '1s1', ' 1s', '1s\n', '9999999999s', '٣s'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )
  test.each([
    ['250ms', 250],
    ['1s', 1000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })
})

describe('sizes', () => {
  test.each(['1MB', '1M', '1', '0B', '1 KiB'])('%j is none', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })
  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })
})

describe('the nearest word', () => {
  const words = ['serve', 'check', 'approvals', 'evidence']
  test.each([
    ['srve', 'serve'],
    ['SERVE', 'serve'],
    ['evrs', undefined],
    ['chekc', 'check'],
    ['aprovalls', 'approvals'],
    ['', undefined],
    ['x'.repeat(10_000), undefined],
  ])('to %s is %s', (typed, meant) => {
    expect(nearest(typed, words)).toBe(meant)
  })
})
