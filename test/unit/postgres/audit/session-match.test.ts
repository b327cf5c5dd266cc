import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SessionMatch, type Intent, type Unit } from '../../../../planes/postgres/audit/session-match.ts'

type Status = Intent['status']

interface Outcome {
  readonly extra: string[]
  readonly unlogged: string[]
  readonly match: SessionMatch
}

function session(): Outcome {
  const extra: string[] = []
  const unlogged: string[] = []
  const match = new SessionMatch({
    extra: ({ text }) => extra.push(text ?? ''),
    unlogged: ({ text }) => unlogged.push(text ?? ''),
    timed: () => undefined,
  })
  return { extra, unlogged, match }
}

let time = 0
const unit = (text: string): Unit => ({ time: (time += 1), text, reads: false, at: '' })

function told(match: SessionMatch, decision: string, text: string | null, status: Status): void {
  match.intent({ decision, record: decision, time: (time += 1), text, status: 'open', ended: null, logged: null })
  if (status !== 'open') match.outcome(decision, status, (time += 1))
}

describe('one session, twice told', () => {
  test('in the same order, all matches', () => {
    const { match, extra, unlogged } = session()
    for (const text of ['a', 'b', 'a']) {
      told(match, `${text}${time}`, text, 'ok')
      match.unit(unit(text))
    }
    match.end()
    expect([extra, unlogged, match.counts.matched]).toEqual([[], [], 3])
  })

  test('one more than was recorded is named, though the same text was recorded before', () => {
    const { match, extra } = session()
    told(match, '1', 'a', 'ok')
    for (const text of ['a', 'a']) match.unit(unit(text))
    match.end()
    expect(extra).toEqual(['a'])
  })

  test('what failed before it ran needs no line, and what is sent again takes the one there is', () => {
    const { match, extra, unlogged } = session()
    told(match, '1', 'a', 'failed')
    told(match, '2', 'a', 'ok')
    match.unit(unit('a'))
    match.end()
    expect([extra, unlogged]).toEqual([[], []])
    expect(match.counts).toEqual({ matched: 1, untold: 0, notRun: 1 })
  })

  test('one text in the middle that nobody recorded doesn’t carry the rest off', () => {
    const { match, extra, unlogged } = session()
    const texts = Array.from({ length: 100 }, (_, index) => `s${index}`)
    for (const text of texts) told(match, text, text, 'ok')
    for (const text of texts.toSpliced(50, 0, 'stolen')) match.unit(unit(text))
    match.end()
    expect([extra, unlogged, match.counts.matched]).toEqual([['stolen'], [], 100])
  })

  test('a text that was erased matches by its place', () => {
    const { match, extra, unlogged } = session()
    told(match, '1', 'a', 'ok')
    told(match, '2', null, 'ok')
    told(match, '3', 'c', 'ok')
    for (const text of ['a', 'b', 'c']) match.unit(unit(text))
    match.end()
    expect([extra, unlogged, match.counts.untold]).toEqual([[], [], 1])
  })

  test('nothing waits for ever: either side is judged when the other is long past it', () => {
    const { match, extra, unlogged } = session()
    match.unit(unit('x'))
    match.expire(Infinity, Infinity)
    told(match, '1', 'y', 'ok')
    match.expire(Infinity, Infinity)
    expect([extra, unlogged]).toEqual([['x'], ['y']])
  })
})

/** What a client may do, and what the server logs of it. */
const act = fc.record({
  text: fc.constantFrom('a', 'b', 'c'),
  fate: fc.constantFrom<'ran' | 'failed while it ran' | 'never ran'>(
    'ran',
    'ran',
    'ran',
    'failed while it ran',
    'never ran',
  ),
})

test('whatever a session does, its two accounts agree; one statement more or one less is always found', () => {
  const property = fc.property(
    fc.array(act, { minLength: 1, maxLength: 60 }),
    fc.nat(1000),
    fc.constantFrom('as it was', 'one more', 'one less'),
    fc.infiniteStream(fc.boolean()),
    (acts, where, how, turns) => {
      const units: string[] = acts.filter(({ fate }) => fate !== 'never ran').map(({ text }) => text)
      const certain = acts.flatMap(({ fate }, index) => (fate === 'ran' ? [index] : []))
      const at = where % (units.length + 1)
      const without = certain[where % Math.max(1, certain.length)]
      const place = acts.slice(0, without).filter(({ fate }) => fate !== 'never ran').length
      const logged = how === 'one more' ? units.toSpliced(at, 0, 'stolen') : units
      const left = how === 'one less' && without !== undefined ? logged.toSpliced(place, 1) : logged
      const { match, extra, unlogged } = session()
      const records = acts.map(
        ({ text, fate }, index) =>
          () =>
            told(match, `d${index}`, text, fate === 'ran' ? 'ok' : 'failed'),
      )
      const lines = left.map((text) => () => match.unit(unit(text)))
      while (records.length + lines.length > 0)
        (turns.next().value ? (records.shift() ?? lines.shift()) : (lines.shift() ?? records.shift()))?.()
      match.end()
      const failedAlike = acts.some(({ fate }) => fate === 'failed while it ran')
      const missing = how === 'one less' && without !== undefined ? 1 : 0
      return (
        JSON.stringify(extra) === (how === 'one more' ? '["stolen"]' : '[]') &&
        (unlogged.length === missing || (failedAlike && unlogged.length < missing))
      )
    },
  )
  expect(fc.check(property, { numRuns: 500 }).counterexample).toBeNull()
})
