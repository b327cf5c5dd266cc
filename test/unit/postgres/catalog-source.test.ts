import { expect, test } from 'vitest'
import { UpstreamError } from '../../../engine/index.ts'
import { readAgain } from '../../../planes/postgres/catalog-source.ts'
import { ServerRefusal } from '../../../planes/postgres/upstream-messages.ts'

function refused(code: string): UpstreamError {
  const cause = new ServerRefusal(new Map([['C', code]]))
  return new UpstreamError('ERR_UPSTREAM_QUERY', 'the server refused a look-up', { cause })
}

/** Fails so often, then answers; counts how often it was asked. */
function failing(problem: Error, times: number): { read: () => Promise<string>; asked: () => number } {
  let asked = 0
  const read = async (): Promise<string> => {
    asked += 1
    if (asked <= times) throw problem
    return 'catalogue'
  }
  return { read, asked: () => asked }
}

test.each(['XX000', '42P01'])('a view that is dropped while it is deparsed (%s) costs another look', async (code) => {
  expect(await readAgain(failing(refused(code), 2).read)).toBe('catalogue')
})

test('what stays so, and every other failure, is told', async () => {
  const always = failing(refused('XX000'), Infinity)
  await expect(readAgain(always.read)).rejects.toMatchObject({ code: 'ERR_UPSTREAM_QUERY' })
  expect(always.asked()).toBe(5)
  for (const error of [refused('55P03'), new UpstreamError('ERR_UPSTREAM_CLOSED', 'gone')]) {
    const once = failing(error, 1)
    await expect(readAgain(once.read)).rejects.toBe(error)
    expect(once.asked()).toBe(1)
  }
})
