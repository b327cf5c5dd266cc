import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqlParser } from '../../../planes/postgres/normalizer/index.ts'

let parser: SqlParser
beforeAll(async () => {
  parser = await SqlParser.open({ deadlineMs: 10_000 })
})
afterAll(() => parser.close())

// The short form is test/unit/postgres/normalizer/parser.test.ts.
test('statements that each spoil a parser, two hundred times, cost no other statement its answer', async () => {
  let answered = 0
  const stop = new AbortController()
  const others = (async () => {
    while (!stop.signal.aborted) {
      expect(await parser.parse(`SELECT ${(answered += 1)}`)).toHaveLength(1)
      await new Promise((resume) => setTimeout(resume, 5))
    }
  })()
  for (let round = 0; round < 200; round += 1) {
    // Left-deep: its tree overflows the stack of whoever writes it out.
    await expect(parser.parse(`SELECT ${round}${'+1'.repeat(8000)}`)).rejects.toMatchObject({
      code: 'ERR_NORMALIZE_TOO_COMPLEX',
    })
  }
  stop.abort()
  await others
  expect(await parser.parse('SELECT 1')).toHaveLength(1)
  expect(answered).toBeGreaterThan(40)
})
