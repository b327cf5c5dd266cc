import { describe, expect, it, test } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import {
  crashCopy,
  fileOf,
  filesOf,
  intent,
  linesOf,
  openLog,
  outcome,
  recordsOf,
  scratch,
  stepClock,
  writeLines,
} from './workbench.ts'
import { crashed, recoversTorn } from './torn-lines.ts'

describe('a file that shows more than a crash can do', () => {
  test.each<[string, (directory: string) => void, string]>([
    [
      'a changed line',
      (directory) => {
        const file = fileOf(directory, 'records')
        file.write(Buffer.from(file.read().toString().replace('reconciler', 'recanciler')))
      },
      'the line was changed',
    ],
    [
      'a dropped line',
      (directory) => {
        const file = fileOf(directory, 'records')
        writeLines(file, linesOf(file).toSpliced(2, 1))
      },
      'the sequence is broken',
    ],
    [
      'a dropped frame',
      (directory) => {
        const file = fileOf(directory, 'recordings')
        writeLines(file, linesOf(file).toSpliced(0, 1))
      },
      'the sequence is broken',
    ],
    [
      'a tail without a newline that no entry can be',
      (directory) => {
        const file = fileOf(directory, 'records')
        file.write(Buffer.concat([file.read(), Buffer.alloc(250_000, 'x')]))
      },
      'not a line',
    ],
  ])('%s stops the start, and says what to do', async (_, change, message) => {
    const directory = await crashed()
    change(directory)
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_TAMPERED',
      fatal: true,
      message: expect.stringMatching(new RegExp(`^rec.*ndjson:\\d+: ${message}.*keep the directory as it is`)),
    })
  })
})

it('closes a dead writer: what was found, what is in doubt, where it ended', async () => {
  const directory = await crashed()
  expect(await verifyEvidence(directory)).toMatchObject({ status: 'incomplete', writers: [{ state: 'open' }] })
  const log = await openLog(directory, stepClock(Date.UTC(2026, 3, 19)))
  const dead = fileOf(directory, 'records')
  const lines = linesOf(dead)
  expect(log.inDoubt).toEqual([
    {
      decision: 'd-lost',
      record: expect.stringMatching(/^gw-1\..*:6$/),
      writer: expect.stringMatching(/^gw-1\./),
      session: 's-2',
      principal: 'reconciler',
      action: 'postgres.select',
      ts: expect.stringMatching(/^2026-04-18T/),
    },
  ])
  await log.close()
  const [opened, recovered, unknown, closed] = recordsOf(fileOf(directory, 'records', 1))
  const { leaf }: { leaf: string } = JSON.parse(lines.at(-1) ?? '')
  const ended = { writer_id: expect.any(String), last_seq: 7, head: leaf }
  expect(opened).toMatchObject({ event: 'writer.opened', detail: { format: 3, previous: ended } })
  expect(recovered).toMatchObject({
    event: 'writer.recovered',
    detail: { ...ended, bytes: dead.read().length, torn: null, recording: { frames: 2, torn: null } },
  })
  expect(unknown).toMatchObject({ event: 'outcome.unknown', decision: 'd-lost', detail: { reason: 'crash' } })
  expect(closed).toMatchObject({ event: 'writer.closed', detail: { last_seq: 7, how: 'crash' } })
  expect(await verifyEvidence(directory)).toMatchObject({
    status: 'ok',
    writers: [{ state: 'crash' }, { state: 'clean' }],
    inDoubt: [{ decision: 'd-lost' }],
  })
})

// The long form, at every byte, is test/fault/evidence/torn-lines.test.ts.
it('recovers a last line torn anywhere, a last frame too, and tells of the torn bytes', async () => {
  expect(await recoversTorn('records', 11)).toBeGreaterThan(20)
  expect(await recoversTorn('recordings', 31)).toBeGreaterThan(7)
})

it('takes a stretch of zeros for a write that a power cut left unfinished, lines after it included', async () => {
  const directory = await crashed()
  const file = fileOf(directory, 'records')
  const bytes = file.read()
  const at = bytes.indexOf('d-lost')
  file.write(Buffer.concat([bytes.subarray(0, at), Buffer.alloc(100), bytes.subarray(at + 100)]))
  const log = await openLog(directory)
  expect(log.inDoubt).toEqual([])
  await log.close()
  const report = await verifyEvidence(directory)
  // The frame that the torn record's session had is whole: it is there, and no record needs it.
  expect(report).toMatchObject({ status: 'ok', frames: 2, writers: [{ lastSeq: 5 }, {}] })
  expect(report.writers[0]?.tornBytes).toBeGreaterThan(100)
})

it('finds torn bytes that were changed after the recovery had told of them', async () => {
  const directory = await crashed()
  const file = fileOf(directory, 'records')
  file.write(file.read().subarray(0, -10))
  await (await openLog(directory)).close()
  const bytes = file.read()
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  file.write(bytes)
  const report = await verifyEvidence(directory)
  expect(report).toMatchObject({
    status: 'tampered',
    findings: [{ message: expect.stringContaining('when the writer had died') }],
  })
})

it('recovers again, from the same point, when the recovery died too', async () => {
  const directory = await crashed()
  const second = await openLog(directory)
  await second.close()
  const recovered = fileOf(directory, 'records', 1)
  const lines = linesOf(recovered)
  for (let kept = 0; kept <= lines.length; kept += 1) {
    const copy = crashCopy(directory)
    writeLines(fileOf(copy, 'records', 1), lines.slice(0, kept))
    const third = await openLog(copy, stepClock(Date.UTC(2026, 3, 20)))
    await third.close()
    const report = await verifyEvidence(copy)
    expect(report, `after ${kept} lines`).toMatchObject({ status: 'ok', inDoubt: [{ decision: 'd-lost' }] })
    expect(report.events['outcome.unknown']).toBe(1)
    // A recovery that was done needs no second one, whatever became of the writer that did it.
    const again = recordsOf(fileOf(copy, 'records', 2)).filter(({ event }) => event === 'writer.recovered')
    expect(again).toHaveLength([2, 2, 2, 2, 1, 0][kept] ?? -1)
  }
})

it('leaves the writers of another instance alone', async () => {
  const directory = await crashed()
  const other = await openLog(directory, { instance: 'gw-2' })
  expect(other.inDoubt).toEqual([])
  await other.close()
  expect(filesOf(directory, 'records')).toHaveLength(2)
  expect(await verifyEvidence(directory)).toMatchObject({
    status: 'incomplete',
    writers: [{ state: 'open' }, { state: 'clean' }],
  })
})

it('does not take an intent for lost whose outcome a later writer has told', async () => {
  const directory = await crashed()
  const second = await openLog(directory)
  second.append(intent('d-2'))
  second.append(outcome('d-2'))
  await second.append(intent('d-3')).durable
  const copy = crashCopy(directory)
  await second.close()
  const third = await openLog(copy, stepClock(Date.UTC(2026, 3, 20)))
  expect(third.inDoubt.map(({ decision }) => decision)).toEqual(['d-3'])
  await third.close()
  expect(await verifyEvidence(copy)).toMatchObject({ status: 'ok' })
})

it('closes a writer that left 5,000 intents, one outcome.unknown each', async () => {
  const directory = scratch()
  const log = await openLog(directory)
  await Promise.all(Array.from({ length: 5000 }, (_, index) => log.append(intent(`d-${index}`)).durable))
  const copy = crashCopy(directory)
  await log.close()
  const next = await openLog(copy)
  expect(next.inDoubt).toHaveLength(5000)
  await next.close()
  expect(await verifyEvidence(copy)).toMatchObject({ status: 'ok', events: { 'outcome.unknown': 5000 } })
})
