import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodeBackend } from '../../../../planes/postgres/codec/backend-encoder.ts'
import { Writer } from '../../../../planes/postgres/codec/writer.ts'
import { RecordedAnswer } from '../../../../planes/postgres/enforcer/recorded-answer.ts'

function rowOf(...values: readonly (string | Buffer | null)[]): Buffer {
  const writer = new Writer()
  const cells = values.map((value) => (typeof value === 'string' ? Buffer.from(value) : value))
  encodeBackend(writer, { kind: 'dataRow', values: cells })
  return Buffer.from(writer.take())
}

const take = (answer: RecordedAnswer, frame: Buffer): boolean => answer.row(frame, 0, 5, frame.length)

describe('the rows of an answer', () => {
  test('are kept as text, as base64 where they are binary, and as null', () => {
    const answer = new RecordedAnswer([0, 1, 0], null)
    take(answer, rowOf('a', Buffer.from([0xff, 0]), null))
    expect(answer.take()).toEqual({ rows: [['a', { base64: '/wA=' }, null]] })
    expect(answer.take()).toBeNull()
  })

  test('one format code is for every column', () => {
    const answer = new RecordedAnswer([1], null)
    take(answer, rowOf('a', 'b'))
    expect(answer.take()).toEqual({ rows: [[{ base64: 'YQ==' }, { base64: 'Yg==' }]] })
  })

  test('make a frame every 8 KiB', () => {
    const answer = new RecordedAnswer([], null)
    const frame = rowOf('x'.repeat(3000))
    expect([1, 2, 3].map(() => take(answer, frame))).toEqual([false, false, true])
    expect(answer.take()).toMatchObject({ rows: { length: 3 } })
    expect(take(answer, frame)).toBe(false)
  })

  test('beyond 64 KiB are counted and digested, not kept, and none after the first that was left out', () => {
    const answer = new RecordedAnswer([], null)
    const frames = [rowOf('first'), rowOf('x'.repeat(70_000)), rowOf('last')]
    for (const frame of frames) take(answer, frame)
    expect(answer.finish({ end: 'SELECT 3' })).toEqual({
      rows: [['first']],
      end: 'SELECT 3',
      count: 3,
      bytes: Buffer.concat(frames).length,
      sha256: createHash('sha256').update(Buffer.concat(frames)).digest('hex'),
      kept: 'sample',
    })
  })

  test('name their columns once, in the first frame', () => {
    const columns = [{ name: 'ssn', field: 'public.customers.ssn', method: 'last4' }]
    const answer = new RecordedAnswer([], columns)
    take(answer, rowOf('a'))
    expect(answer.take()).toEqual({ columns, rows: [['a']] })
    take(answer, rowOf('b'))
    expect(answer.finish({ end: 'SELECT 2' })).not.toHaveProperty('columns')
    expect(new RecordedAnswer([], columns).finish({ end: 'SELECT 0' })).toMatchObject({ columns, count: 0 })
  })

  test('of which the first is too large leave a digest alone', () => {
    const answer = new RecordedAnswer([], null)
    take(answer, rowOf('x'.repeat(70_000)))
    expect(answer.finish({ end: 'SELECT 1' })).toMatchObject({ kept: 'digest', count: 1 })
  })

  test('that were kept whole say so, and so does an answer without any', () => {
    const answer = new RecordedAnswer([], null)
    take(answer, rowOf('a'))
    expect(answer.finish({ end: 'SELECT 1' })).toMatchObject({ rows: [['a']], kept: 'whole', count: 1 })
    expect(new RecordedAnswer([], null).finish({ end: 'BEGIN' })).toMatchObject({ kept: 'whole', count: 0, bytes: 0 })
  })
})
