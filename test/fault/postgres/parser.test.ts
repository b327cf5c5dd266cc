import { expect, test } from 'vitest'
import { SqlParser } from '../../../planes/postgres/normalizer/index.ts'
import { survived } from '../../support/poison.ts'

// The short form is test/unit/postgres/normalizer/parser.test.ts.
test('statements that each spoil a parser, two hundred times, cost no other statement its answer', async () => {
  const parser = await SqlParser.open({ deadlineMs: 10_000 })
  try {
    expect(await survived(parser, 200)).toBeGreaterThan(40)
  } finally {
    await parser.close()
  }
})
