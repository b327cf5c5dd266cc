import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Company } from '../../../engine/evidence/company.ts'

const SLOW_MS = 5

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

/** Whether a batch waits; ends that wait, so that the next one is judged by itself. */
async function waits(company: Company): Promise<boolean> {
  const gathered = company.gathered()
  if (gathered === null) return false
  await vi.advanceTimersByTimeAsync(1)
  await gathered
  return true
}

describe('a batch', () => {
  test('waits for nobody before there was another one, nor when all are here', async () => {
    const company = new Company()
    company.waiting(1)
    expect(await waits(company)).toBe(false)
    company.committed(1, 0, SLOW_MS)
    company.waiting(1)
    expect(await waits(company)).toBe(false)
  })

  test('waits for those that the one before has let go, and leaves when the last of them is here', async () => {
    const company = new Company()
    company.committed(3, 1, SLOW_MS)
    company.waiting(2)
    const gathered = company.gathered()
    let left = false
    void gathered?.then(() => (left = true))
    company.waiting(3)
    await vi.advanceTimersByTimeAsync(0)
    expect(left).toBe(false)
    company.waiting(4)
    await gathered
    expect(vi.getTimerCount()).toBe(0)
  })

  test('waits a millisecond at most', async () => {
    const company = new Company()
    company.committed(3, 1, SLOW_MS)
    const gathered = company.gathered()
    await vi.advanceTimersByTimeAsync(1)
    await expect(gathered).resolves.toBeUndefined()
  })

  test('does not wait where a commit costs less than waiting', async () => {
    const company = new Company()
    company.committed(3, 1, 0.1)
    expect(await waits(company)).toBe(false)
  })

  test('that waited in vain makes the next ones wait less and less often, until somebody comes again', async () => {
    const company = new Company()
    const pattern: boolean[] = []
    for (let round = 0; round < 300; round += 1) {
      company.committed(2, 1, SLOW_MS)
      pattern.push(await waits(company))
    }
    expect(pattern.slice(0, 12).map(Number).join('')).toBe('101001000010')
    expect(pattern.filter(Boolean).length).toBeLessThanOrEqual(10)
    let gathered: Promise<void> | null = null
    for (let round = 0; gathered === null && round < 100; round += 1) {
      company.committed(2, 1, SLOW_MS)
      gathered = company.gathered()
    }
    company.waiting(3)
    await gathered
    company.committed(2, 1, SLOW_MS)
    expect(await waits(company)).toBe(true)
  })
})
