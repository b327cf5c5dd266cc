import { appendFileSync, cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Overview } from '../../../engine/overview/index.ts'
import { fileOf, intent, openLog, outcome, scratch, stepClock, writeSession } from '../evidence/workbench.ts'
import { recordedDirectory, SESSION } from '../replay/recorded-session.ts'
import { openIndex } from './setting.ts'

describe('what a session’s records come to', () => {
  test('each decision once, with what became of it', async () => {
    const index = await openIndex(await recordedDirectory())
    expect(await index.advance()).toBeGreaterThan(15)
    const { rows } = await index.ask.decisions({ limit: 50 })
    expect(rows.map(({ id, verdict, answer, outcome: what, state }) => [id, verdict, answer, what, state])).toEqual([
      ['d-5', 'forward', 'forward', 'failed', null],
      ['d-4', 'hold', 'forward', 'ok', 'used'],
      ['d-3', 'reject', 'reject', null, null],
      ['d-2', 'mask', 'mask', 'ok', null],
      ['d-1', 'forward', 'forward', 'ok', null],
    ])
    expect(rows[0]).toMatchObject({ error: '22P02', agent: 'reconciler', plane: 'postgres', session: SESSION })
    expect(rows[1]).toMatchObject({ approval: 'approval-1', decidedUs: 412, rules: [{ rule: 'rule-forward' }] })
    expect((await index.ask.sessions({ limit: 5 })).rows).toMatchObject([
      { id: SESSION, decisions: 5, masked: 1, held: 1, rejected: 1, reason: 'client terminated', source: '10.0.0.7' },
    ])
    expect(await index.ask.agents({ limit: 5 })).toMatchObject([
      { agent: 'reconciler', owner: 'olivia', hold: 1, reject: 1 },
    ])
  })

  test('a decision in full is read from where it stands; what was sent only where it was asked for', async () => {
    const index = await openIndex(await recordedDirectory())
    await index.advance()
    const bare = await index.ask.decision({ id: 'd-4', payload: false })
    expect(bare?.records.map(({ fields }) => fields['event'])).toEqual([
      'decision.hold',
      'approval.requested',
      'approval.granted',
      'approval.used',
      'decision.forward',
      'outcome.ok',
    ])
    expect(JSON.stringify(bare)).not.toContain('250000.00')
    const whole = await index.ask.decision({ id: 'd-4', payload: true })
    expect(JSON.stringify(whole?.records[0]?.payload)).toContain('250000.00')
    expect(await index.ask.decision({ id: 'd-9', payload: true })).toBeNull()
  })

  test('no payload is in the index: what is erased in evidence is not to be found here', async () => {
    const path = join(scratch(), 'overview.db')
    const index = await openIndex(await recordedDirectory(), path)
    await index.advance()
    index.close()
    const bytes = readFileSync(path, 'latin1')
    expect(bytes).toContain('rule-mask')
    expect(bytes).not.toContain('250000.00')
    expect(bytes).not.toContain('LIMIT $1')
  })

  test('filters narrow by what a decision is, and find nothing by what was never seen', async () => {
    const index = await openIndex(await recordedDirectory())
    await index.advance()
    const ids = async (filter: object): Promise<readonly string[]> =>
      (await index.ask.decisions({ limit: 50, ...filter })).rows.map(({ id }) => id)
    expect(await ids({ verdict: 'hold' })).toEqual(['d-4'])
    expect(await ids({ rule: 'rule-mask' })).toEqual(['d-2'])
    expect(await ids({ action: 'postgres.delete' })).toEqual(['d-3'])
    expect(await ids({ control: 'IS.II.C.18', agent: 'reconciler', plane: 'postgres' })).toHaveLength(5)
    expect(await ids({ agent: 'nobody' })).toEqual([])
    expect(await ids({ rule: "' OR 1=1 --" })).toEqual([])
    expect(await ids({ session: SESSION, from: 0, to: 1 })).toEqual([])
  })

  test('pages join without a gap and end', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await writeSession(log, 's-1', 25)
    await log.close()
    const index = await openIndex(directory)
    await index.advance()
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await index.ask.decisions({ limit: 10, ...(cursor === '' ? {} : { cursor }) })
      seen.push(...page.rows.map(({ id }) => id))
      cursor = page.next
    }
    expect(new Set(seen).size).toBe(25)
    expect(seen).toEqual(seen.toSorted((one, other) => Number(other.slice(5)) - Number(one.slice(5))))
  })
})

describe('it goes on where it stood', () => {
  test('after another writer, in the same file, each record once', async () => {
    const directory = scratch()
    const path = join(scratch(), 'overview.db')
    const first = await openLog(directory)
    await writeSession(first, 's-1', 2)
    const index = await openIndex(directory, path)
    await index.advance()
    await writeSession(first, 's-2', 2)
    await first.close()
    expect(await index.advance()).toBe(7) // two sessions' ends, two decisions, two outcomes, the writer's end
    index.close()
    const second = await openLog(directory, stepClock(Date.UTC(2026, 5, 1)))
    await writeSession(second, 's-3', 2)
    await second.close()
    const again = await openIndex(directory, path)
    expect(await again.advance()).toBe(8)
    expect((await again.ask.decisions({ limit: 50 })).rows).toHaveLength(6)
    expect(await again.advance()).toBe(0)
  })

  test('from the beginning, where the evidence is another than it was made from', async () => {
    const path = join(scratch(), 'overview.db')
    const index = await openIndex(await recordedDirectory(), path)
    await index.advance()
    index.close()
    const other = scratch()
    const log = await openLog(other)
    await writeSession(log, 's-1', 1)
    await log.close()
    const again = await openIndex(other, path)
    await again.advance()
    expect((await again.ask.decisions({ limit: 50 })).rows.map(({ id }) => id)).toEqual(['s-1-d0'])
  })

  test('from the beginning, where a disk lost the end of a file', async () => {
    const directory = scratch()
    const path = join(scratch(), 'overview.db')
    const log = await openLog(directory)
    await writeSession(log, 's-1', 3)
    const index = await openIndex(directory, path)
    await index.advance()
    index.close()
    const copy = scratch()
    cpSync(directory, copy, { recursive: true })
    await log.close()
    const { path: file } = fileOf(copy, 'records')
    const lines = readFileSync(file, 'utf8').split('\n')
    truncateSync(file, Buffer.byteLength(`${lines.slice(0, 4).join('\n')}\n`))
    const again = await openIndex(copy, path)
    expect(await again.advance()).toBe(4)
    expect((await again.ask.decisions({ limit: 50 })).rows).toHaveLength(1)
  })

  test('from the beginning, where its file is none of a database', async () => {
    const path = join(scratch(), 'overview.db')
    writeFileSync(path, 'this is no database, and longer than a header of one would be'.repeat(20))
    const index = await openIndex(await recordedDirectory(), path)
    await index.advance()
    expect((await index.ask.decisions({ limit: 50 })).rows).toHaveLength(5)
  })

  test('a line that is not whole yet is waited for, one that is no record is passed over', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await writeSession(log, 's-1', 1)
    await log.close()
    const { path } = fileOf(directory, 'records')
    const index = await openIndex(directory)
    const count = await index.advance()
    const lines = readFileSync(path, 'utf8').split('\n')
    const half = (lines[1] ?? '').slice(0, 40)
    appendFileSync(path, half)
    expect(await index.advance()).toBe(0)
    appendFileSync(path, ' is no record\n')
    expect(await index.advance()).toBe(1)
    expect((await index.ask.standing({})).records).toBe(count)
  })
})

test('what is measured is of one writer, and agrees with its records', async () => {
  const directory = scratch()
  const log = await openLog(directory)
  for (const decision of ['a', 'b']) {
    await log.append({ ...intent(decision), detail: { decided_us: 700 } }).durable
    await log.append(outcome(decision)).durable
  }
  await log.close()
  const index = await openIndex(directory, ':memory:', log.writerId)
  await index.advance()
  const text = await index.ask.measured({})
  expect(text).toContain('countersign_decisions_total{plane="postgres",verdict="forward"} 2')
  expect(text).toContain('countersign_rule_decisions_total{plane="postgres",verdict="forward",rule="read"} 2')
  expect(text).toContain('countersign_outcomes_total{status="ok"} 2')
  expect(text).toContain('countersign_answer_bytes_total 20')
  expect(text).toContain('countersign_decision_duration_seconds_bucket{le="0.001"} 2')
  const other = await openIndex(directory, ':memory:', 'somebody.else')
  await other.advance()
  expect(await other.ask.measured({})).not.toContain('verdict="forward"')
})

test('days count events with the controls that their rules named', async () => {
  const index = await openIndex(await recordedDirectory())
  await index.advance()
  const counted = await index.ask.events({ from: '2026-01-01', to: '2026-12-31' })
  expect(counted).toContainEqual({ event: 'decision.mask', named: ['IS.II.C.18'], records: 1 })
  expect(counted).toContainEqual({ event: 'session.closed', named: [], records: 1 })
  expect((await index.ask.cited({ control: 'IS.II.C.18', limit: 3 })).map(({ fields }) => fields['decision'])).toEqual([
    'd-5',
    'd-4',
    'd-4',
  ])
})

describe('the thread', () => {
  test('answers, tells of what is new, and begins again after it has died', async () => {
    const directory = scratch()
    const path = join(scratch(), 'later', 'overview.db')
    const log = await openLog(directory)
    const troubles: string[] = []
    const evidence = { directory }
    const overview = new Overview({ evidence, path, writer: '', everyMs: 5, onTrouble: (why) => troubles.push(why) })
    await expect(overview.ask('decisions', { limit: 5 })).rejects.toMatchObject({ code: 'ERR_EVIDENCE_OVERVIEW' })
    expect(troubles[0]).toMatch(/unable to open database/)
    mkdirSync(dirname(path))
    const advanced = new Promise<void>((resolve) => overview.onAdvance(resolve))
    await writeSession(log, 's-1', 1)
    await advanced
    await expect.poll(async () => (await overview.ask('decisions', { limit: 5 })).rows.length).toBe(1)
    await overview.close()
    await log.close()
    await expect(overview.ask('decisions', { limit: 5 })).rejects.toMatchObject({ code: 'ERR_EVIDENCE_OVERVIEW' })
  })

  test('it rests while nobody asks, and whoever asks next is told what came meanwhile', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    const timing = { everyMs: 5, restAfterMs: 1 }
    const path = join(scratch(), 'overview.db')
    const overview = new Overview({ evidence: { directory }, path, writer: '', ...timing, onTrouble: () => undefined })
    for (let round = 1; round <= 3; round += 1) {
      await writeSession(log, `s-${round}`, 1)
      await expect
        .poll(async () => (await overview.ask('sessions', { limit: 5 })).rows.length, { interval: 50 })
        .toBe(round)
    }
    await overview.close()
    await log.close()
  })
})
