import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EvidenceLog } from '../../../engine/evidence/index.ts'
import {
  collectSession,
  copiedLines,
  entriesOf,
  listSessions,
  outcomeOf,
  replayOf,
  tagsOf,
  type Replay,
  type SessionEvidence,
} from '../../../engine/replay/index.ts'
import { openSigned } from '../evidence/signed.ts'
import { scratch, writeSession } from '../evidence/workbench.ts'
import { collectBothWays } from './both-ways.ts'
import { recordedDirectory, recordSession, SESSION } from './recorded-session.ts'

const evidenceIn = (directory: string, session = SESSION): Promise<SessionEvidence> =>
  collectBothWays(directory, session)

async function lookedAt(log: EvidenceLog): Promise<void> {
  for (const session of [SESSION, 'another']) {
    await log.append({ event: 'replay.viewed', detail: { session, by: 'axel', how: 'page', reason: 'exam 12' } })
      .durable
  }
}

function another(log: EvidenceLog): Promise<void> {
  return writeSession(log, `other-${log.recordingDigest(SESSION).length}`, 3)
}

async function replayed(directory: string, session = SESSION): Promise<Replay> {
  return replayOf(session, entriesOf(await evidenceIn(directory, session)))
}

describe('a session is told from its evidence', () => {
  test('who, through whom, from where, under which rules', async () => {
    const { who, openedAt, closed, policies } = await replayed(await recordedDirectory())
    expect(who).toMatchObject({ id: 'reconciler', kind: 'agent', owner: 'olivia', act: ['olivia'], source: '10.0.0.7' })
    expect(who.client).toEqual({ database: 'bank', user: 'reconciler' })
    expect(openedAt).toMatch(/^2026-04-18T09:00:00/)
    expect(closed).toMatchObject({ reason: 'client terminated' })
    expect(policies).toMatchObject([
      { revision: 'r1', pack: 'starter', compiler: 'opa 1.22.2', steps: [1, 2, 3, 4, 5] },
    ])
    expect(policies[0]?.since).toMatch(/^2026-04-18T09:00:00/)
  })

  test('each statement once, in the order asked, with its verdict and what came of it', async () => {
    const { steps } = await replayed(await recordedDirectory())
    expect(steps.map((step) => [step.number, step.verdict, tagsOf(step), outcomeOf(step)])).toEqual([
      [1, 'forward', [], '1 row (SELECT 1)'],
      [2, 'mask', ['masked'], '2 rows (SELECT 2)'],
      [3, 'reject', ['rejected'], 'nothing reached the server'],
      [4, 'forward', ['held', 'approved'], '1 row (INSERT 0 1)'],
      [5, 'forward', ['failed'], 'the server refused it (22P02)'],
    ])
    expect(steps.every(({ decidedUs }) => decidedUs === 412)).toBe(true)
    expect(steps[0]?.outcome?.tookUs).toBeGreaterThan(0)
  })

  test('rows as the agent saw them, with what hid them', async () => {
    const { steps } = await replayed(await recordedDirectory())
    expect(steps[1]).toMatchObject({
      statement: 'SELECT name, ssn FROM customers LIMIT $1',
      masks: [{ field: 'public.customers.ssn', method: 'last4', count: 1 }],
      answer: {
        columns: [
          { name: 'name', mask: null },
          { name: 'ssn', mask: { field: 'public.customers.ssn', method: 'last4' } },
        ],
        rows: [
          [
            { kind: 'text', text: 'Ann' },
            { kind: 'text', text: '*******1111' },
          ],
          [{ kind: 'null' }, { kind: 'binary', base64: '/wA=' }],
        ],
        kept: 'whole',
      },
    })
  })

  test('a hold, who was asked, who said yes and why', async () => {
    const { steps } = await replayed(await recordedDirectory())
    expect(steps[3]?.hold).toMatchObject({
      approval: 'approval-1',
      state: 'used',
      approvers: ['payments'],
      quorum: 1,
      reasonRequired: true,
      answers: [{ by: 'ann', answer: 'approve', reason: 'checked by phone', at: 4000 }],
    })
    expect(steps[3]?.sources.map(({ event }) => event)).toEqual([
      'decision.hold',
      'approval.requested',
      'approval.granted',
      'approval.used',
      'decision.forward',
      'outcome.ok',
      'sql.rows',
    ])
  })

  test('which controls its rules named, where', async () => {
    const { controls } = await replayed(await recordedDirectory())
    expect(controls).toEqual([
      { id: 'IS.II.C.18', rules: ['rule-forward', 'rule-mask', 'rule-reject'], steps: [1, 2, 3, 4, 5] },
    ])
  })

  test('who has looked at it, and at no other', async () => {
    const { viewings } = await replayed(await recordedDirectory({ around: lookedAt }))
    expect(viewings).toMatchObject([
      { event: 'replay.viewed', by: 'axel', reason: 'exam 12' },
      { event: 'replay.viewed', by: 'axel', reason: 'exam 12' },
    ])
  })

  test('of a decision without an outcome, that nobody knows', async () => {
    const directory = scratch()
    const log = await openSigned(directory)
    await writeSession(log, 'short', 1)
    await log.append({ event: 'session.opened', session: SESSION }).durable
    await log.append({ event: 'decision.forward', session: SESSION, decision: 'open', verdict: 'forward' }).durable
    const { steps, closed } = await replayed(directory)
    expect(steps.map(tagsOf)).toEqual([['in doubt']])
    expect(closed).toBeNull()
    await log.close()
    expect((await replayed(directory)).steps[0]?.outcome).toMatchObject({ status: 'unknown' })
  })

  test('of what was erased, that it was', async () => {
    const copy = scratch()
    cpSync(await recordedDirectory(), copy, { recursive: true })
    const [writer = ''] = (await evidenceIn(copy)).records.map(
      ({ line }) => /"writer_id":"([^"]+)"/.exec(line)?.[1] ?? '',
    )
    const path = join(copy, 'records', `${writer}.ndjson`)
    const lines = readFileSync(path, 'utf8').split('\n')
    const blanked = lines.map((line) => {
      const at = line.indexOf(',"salted":') + ',"salted":'.length
      return line.includes('DELETE FROM') ? `${line.slice(0, at)}null${' '.repeat(line.length - at - 5)}}` : line
    })
    writeFileSync(path, blanked.join('\n'))
    const { steps } = await replayed(copy)
    expect(steps[2]).toMatchObject({ statement: null, parameters: [], verdict: 'reject' })
    expect(steps[2]?.erased).toHaveLength(1)
    expect(steps.map(({ erased }) => erased.length)).toEqual([0, 0, 1, 0, 0])
  })
})

describe('the list of sessions', () => {
  test('is newest first, and counts', async () => {
    const [first, second] = await listSessions(await recordedDirectory({ around: another }), 10)
    expect(first).toMatchObject({ session: 'other-64', statements: 3, rejected: 0 })
    expect(second).toMatchObject({ session: SESSION, who: 'reconciler', owner: 'olivia', statements: 5 })
    expect(second).toMatchObject({ rejected: 1, masked: 1, held: 1 })
  })

  test('ends where it is told to', async () => {
    const directory = scratch()
    const log = await openSigned(directory)
    for (let at = 1; at <= 4; at += 1) await writeSession(log, `s-${at}`, 1)
    await recordSession(log)
    await log.close()
    expect((await listSessions(directory, 2)).map(({ session }) => session)).toEqual([SESSION, 's-4'])
  })
})

test('a session that is not there is none', async () => {
  expect(await collectSession(await recordedDirectory(), '01a213e0-0000-0000-0000-000000000000')).toBeNull()
})

test('a quote in a session’s name finds nothing and harms nothing', async () => {
  expect(await collectSession(await recordedDirectory(), '","event":"')).toBeNull()
})

test('what was copied out is told as it was sent', async () => {
  const { steps } = await replayed(await recordedDirectory())
  const answer = steps[1]?.answer
  if (answer === undefined || answer === null) throw new Error('an answer')
  const copied = (text: string): readonly string[] => copiedLines({ ...answer, rows: [[{ kind: 'text', text }]] })
  expect(copied('10\tAnn\n')).toEqual(['10  Ann'])
  expect(copied('10\u001b\n11\r\n')).toEqual([String.raw`10\u{1b}`, '11'])
})
