import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { SqlParser } from '../../planes/postgres/normalizer/index.ts'

/** Left-deep: its tree overflows the stack of whoever writes it out. */
export const poison = (terms: number, first: number): string => `SELECT ${first}${'+1'.repeat(terms)}`

/** Has each round's own poison refused, others asking all the while; how often those were answered. */
export async function survived(parser: Pick<SqlParser, 'parse'>, rounds: number): Promise<number> {
  let answered = 0
  const stop = new AbortController()
  const others = (async () => {
    while (!stop.signal.aborted) {
      expect(await parser.parse(`SELECT ${(answered += 1)}`)).toHaveLength(1)
      await sleep(5)
    }
  })()
  for (let round = 0; round < rounds; round += 1) {
    await expect(parser.parse(poison(8000, round))).rejects.toMatchObject({
      code: 'ERR_NORMALIZE_TOO_COMPLEX',
      message: 'the SQL text is too complex to be parsed in time: split the statement',
    })
  }
  stop.abort()
  await others
  expect(await parser.parse('SELECT 1')).toHaveLength(1)
  return answered
}
