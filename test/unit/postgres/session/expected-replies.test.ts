import { describe, expect, test } from 'vitest'
import { ExpectedReplies, type ExpectedReply } from '../../../../planes/postgres/session/expected-replies.ts'

const naming = { confirm: () => undefined, abandon: () => undefined }
const bind: ExpectedReply = { kind: 'bind', naming }
const ready: ExpectedReply = { kind: 'ready' }

function line(...replies: readonly ExpectedReply[]): ExpectedReplies {
  const expected = new ExpectedReplies()
  for (const reply of replies) expected.push(reply)
  return expected
}

async function isSettled(promise: Promise<void>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])
}

describe('the line of expected replies', () => {
  test('keeps its order over any length', () => {
    const expected = new ExpectedReplies()
    const taken: unknown[] = []
    const many = Array.from({ length: 5000 }, (_, index): ExpectedReply => (index % 7 === 0 ? ready : { ...bind }))
    for (const [index, reply] of many.entries()) {
      expected.push(reply)
      if (index % 3 === 0) taken.push(expected.shift())
    }
    expect(expected.length).toBe(many.length - taken.length)
    while (expected.peek() !== undefined) taken.push(expected.shift())
    expect(taken.every((reply, index) => reply === many[index])).toBe(true)
    expect(taken).toHaveLength(many.length)
    expect(expected.shift()).toBeUndefined()
    expect(expected.length).toBe(0)
  })

  test('what an error skips ends before the next ReadyForQuery', () => {
    const expected = line(bind, bind, ready, bind)
    expect([...expected.skipped()]).toEqual([bind, bind])
    expect([...expected.skipped()]).toEqual([])
    expect(expected.length).toBe(2)
  })

  test('is settled when every ReadyForQuery asked for so far has come, whatever was asked later', async () => {
    const expected = line(bind, ready)
    const settled = expected.settled()
    expected.push(ready)
    expected.shift()
    expect(await isSettled(settled)).toBe(false)
    expected.shift()
    expect(await isSettled(settled)).toBe(true)
    expect(await isSettled(expected.settled())).toBe(false)
    expected.shift()
    expect(await isSettled(expected.settled())).toBe(true)
  })

  test('nobody waits for an end that will not come', async () => {
    const expected = line(ready)
    const waiting = expected.settled()
    expected.end(new Error('gone'))
    await expect(waiting).rejects.toThrowError('gone')
    await expect(expected.settled()).rejects.toThrowError('gone')
  })
})
