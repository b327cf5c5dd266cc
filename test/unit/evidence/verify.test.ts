import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, test } from 'vitest'
import { verifyEvidence, type EvidenceLog, type RecordDraft } from '../../../engine/evidence/index.ts'
import { encodeLine } from '../../../engine/evidence/line.ts'
import { saltPayload } from '../../../engine/evidence/payload.ts'
import {
  crashCopy,
  fileOf,
  filesOf,
  intent,
  linesOf,
  openLog,
  outcome,
  rows,
  scratch,
  stepClock,
  writeLines,
  writeSession,
} from './workbench.ts'

/** Three writers of one instance, each closed, with a session and its recording each. */
async function finished(): Promise<string> {
  const directory = scratch()
  for (let day = 1; day <= 3; day += 1) {
    const log = await openLog(directory, stepClock(Date.UTC(2026, 3, day)))
    await writeSession(log, `s-${day}`, 2)
    await log.close()
  }
  return directory
}

function edit(
  directory: string,
  part: 'records' | 'recordings',
  change: (lines: readonly string[]) => readonly string[],
): void {
  const file = fileOf(directory, part, 1)
  writeLines(file, change(linesOf(file)))
}

/** A line whose content was changed by somebody who computes its hash again. */
function resigned(line: string | undefined, from: string, to: string): string {
  const { record, frame = {}, salted }: Parsed = JSON.parse(line?.replace(from, to) ?? '')
  const { payload: _, ...entry } = record ?? frame
  const payload = salted === undefined ? undefined : saltPayload(salted.body, salted.salt)
  return encodeLine(record === undefined ? 'frame' : 'record', entry, payload).text.slice(0, -1)
}

interface Parsed {
  readonly record?: { readonly payload?: object }
  readonly frame?: { readonly payload?: object }
  readonly salted?: { readonly body: unknown; readonly salt: string }
}

const swap = (lines: readonly string[], at: number): readonly string[] =>
  lines.toSpliced(at, 2, ...lines.slice(at, at + 2).toReversed())

describe('the drill: each has its own message', () => {
  test.each<[string, (directory: string) => void, string, string]>([
    [
      'a flipped byte',
      (d) => edit(d, 'records', (l) => l.with(3, l[3]?.replace('s-2-d0', 's-2-d1') ?? '')),
      'tampered',
      'the line was changed',
    ],
    [
      'a flipped byte in the last line',
      (d) => edit(d, 'records', (l) => [...l.slice(0, -1), l.at(-1)?.replace('clean', 'crash') ?? '']),
      'tampered',
      'the line was changed',
    ],
    [
      'a line spelled otherwise',
      (d) => edit(d, 'records', (l) => l.with(3, l[3]?.replace('{', '{ ') ?? '')),
      'tampered',
      'the line was changed',
    ],
    [
      'a record with a new hash',
      (d) => edit(d, 'records', (l) => l.with(2, resigned(l[2], 'reconciler', 'recanciler'))),
      'tampered',
      'does not follow the record before it',
    ],
    [
      'the last record dropped',
      (d) => edit(d, 'records', (l) => l.slice(0, -1)),
      'tampered',
      'names another writer, or another end of it',
    ],
    [
      'a record in the middle dropped',
      (d) => edit(d, 'records', (l) => l.toSpliced(3, 1)),
      'tampered',
      'the sequence is broken',
    ],
    ['two records swapped', (d) => edit(d, 'records', (l) => swap(l, 3)), 'tampered', 'the sequence is broken'],
    [
      'a record twice',
      (d) => edit(d, 'records', (l) => l.toSpliced(3, 0, l[3] ?? '')),
      'tampered',
      'the sequence is broken',
    ],
    [
      'a record after the end',
      (d) => edit(d, 'records', (l) => [...l, l.at(-1) ?? '']),
      'tampered',
      'a record after the writer closed',
    ],
    [
      'bytes after the end',
      (d) => fileOf(d, 'records', 1).write(Buffer.concat([fileOf(d, 'records', 1).read(), Buffer.from('x')])),
      'tampered',
      'does not end where the writer closed',
    ],
    [
      'a frame changed',
      (d) => edit(d, 'recordings', (l) => l.with(1, l[1]?.replace('sql.rows', 'sql.raws') ?? '')),
      'tampered',
      'the line was changed',
    ],
    [
      'a payload changed',
      (d) => edit(d, 'recordings', (l) => l.with(1, l[1]?.replace('Ann', 'Bob') ?? '')),
      'tampered',
      'the payload was changed',
    ],
    [
      'a payload erased',
      (d) => edit(d, 'recordings', (l) => l.with(1, l[1]?.replace(/"salted":.*$/, '"salted":null   }') ?? '')),
      'tampered',
      'a payload was erased that no retention.applied names',
    ],
    [
      'a payload taken out',
      (d) => edit(d, 'recordings', (l) => l.with(1, l[1]?.replace(/,"salted":.*$/, '}') ?? '')),
      'tampered',
      'the payload was changed',
    ],
    [
      'a record with another id',
      (d) => edit(d, 'records', (l) => l.with(2, resigned(l[2], ':3"', ':4"'))),
      'tampered',
      'the id does not name this record',
    ],
    [
      'the last frame with a new hash',
      (d) => edit(d, 'recordings', (l) => l.with(1, resigned(l[1], 'Ann', 'Bob'))),
      'tampered',
      'not the frame that records/',
    ],
    [
      'a frame with a new hash',
      (d) => edit(d, 'recordings', (l) => l.with(0, resigned(l[0], 'Ann', 'Bob'))),
      'tampered',
      'does not follow the session’s frame before it',
    ],
    ['a frame dropped', (d) => edit(d, 'recordings', (l) => l.toSpliced(0, 1)), 'tampered', 'the sequence is broken'],
    [
      'the last frame dropped',
      (d) => edit(d, 'recordings', (l) => l.slice(0, -1)),
      'tampered',
      'names a frame that is not in the recording',
    ],
    ['a recording deleted', (d) => rmSync(fileOf(d, 'recordings', 1).path), 'tampered', 'the recording is gone'],
    [
      'a records file deleted',
      (d) => rmSync(fileOf(d, 'records', 1).path),
      'tampered',
      'a recording without its records',
    ],
    [
      'a writer deleted',
      (d) => {
        rmSync(fileOf(d, 'records', 1).path)
        rmSync(fileOf(d, 'recordings', 1).path)
      },
      'tampered',
      'names another writer, or another end of it',
    ],
    [
      'the first writer deleted',
      (d) => {
        rmSync(fileOf(d, 'records').path)
        rmSync(fileOf(d, 'recordings').path)
      },
      'tampered',
      'names another writer, or another end of it',
    ],
    [
      'a writer’s file in place of another',
      (d) => fileOf(d, 'records', 1).write(fileOf(d, 'records', 0).read()),
      'tampered',
      'another writer’s record',
    ],
    [
      'a recording in place of another',
      (d) => fileOf(d, 'recordings', 1).write(fileOf(d, 'recordings', 0).read()),
      'tampered',
      'another writer’s frame',
    ],
    [
      'an emptied file',
      (d) => fileOf(d, 'records', 1).write(Buffer.alloc(0)),
      'tampered',
      'names another writer, or another end of it',
    ],
    ['a line without end', (d) => fileOf(d, 'records', 2).write(Buffer.alloc(250_000, 'x')), 'tampered', 'not a line'],
    [
      'the newest writer’s end cut',
      (d) => fileOf(d, 'records', 2).write(fileOf(d, 'records', 2).read().subarray(0, -5)),
      'incomplete',
      'the writer never closed',
    ],
    [
      'a file of another name',
      (d) => writeFileSync(join(d, 'records', 'notes.txt'), ''),
      'cannot',
      'not a file of the log',
    ],
    ['no directory', (d) => rmSync(d, { recursive: true }), 'cannot', 'can’t be verified'],
    [
      'no records',
      (d) => {
        for (const part of ['records', 'recordings'] as const) for (const file of filesOf(d, part)) rmSync(file.path)
      },
      'cannot',
      'can’t be verified',
    ],
  ])('%s', async (_, change, status, message) => {
    const directory = await finished()
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok' })
    change(directory)
    const report = await verifyEvidence(directory)
    expect(report.status).toBe(status)
    expect(report.findings.map((finding) => finding.message)).toContainEqual(expect.stringContaining(message))
  })

  it('tells the line, the gap, and what was expected and found', async () => {
    const directory = await finished()
    edit(directory, 'records', (lines) => lines.toSpliced(3, 2))
    const report = await verifyEvidence(directory)
    expect(report.findings[0]).toEqual({
      severity: 'tampered',
      file: fileOf(directory, 'records', 1).name,
      line: 4,
      message: 'the sequence is broken: records are missing before this one',
      expected: 'seq 4',
      found: 'seq 6',
    })
    expect(report.writers[1]).toMatchObject({ gaps: [{ from: 4, to: 5 }] })
  })

  it('is not drowned by a file that is wrong on every line', async () => {
    const directory = await finished()
    fileOf(directory, 'records', 1).write(Buffer.from('{}\n'.repeat(5000)))
    const report = await verifyEvidence(directory)
    expect(report).toMatchObject({ status: 'tampered' })
    expect(report.findings).toHaveLength(1000)
    expect(report.omitted).toBeGreaterThan(4000)
  })
})

function granted(id: string): RecordDraft {
  return { event: 'approval.granted', approval: { id, approver: 'ann' } }
}

function using(decision: string, id: string): RecordDraft {
  return {
    ...intent(decision),
    approval: { id, state: 'used' },
  }
}

async function written(write: (log: EvidenceLog) => void): Promise<Awaited<ReturnType<typeof verifyEvidence>>> {
  const directory = scratch()
  const log = await openLog(directory)
  write(log)
  await log.close()
  return verifyEvidence(directory)
}

describe('what must come before what', () => {
  test.each<[string, readonly RecordDraft[], string, string]>([
    [
      'an approval after its use',
      [using('d-1', 'a-1'), outcome('d-1'), granted('a-1')],
      'tampered',
      'approval a-1 came after its use',
    ],
    [
      'an approval used twice',
      [granted('a-1'), using('d-1', 'a-1'), outcome('d-1'), using('d-2', 'a-1'), outcome('d-2')],
      'tampered',
      'approval a-1 is used twice',
    ],
    [
      'an approval that nobody gave',
      [using('d-1', 'a-1'), outcome('d-1')],
      'incomplete',
      'an approval is used that is not recorded',
    ],
    ['an outcome before its intent', [outcome('d-1'), intent('d-1')], 'incomplete', 'an outcome without its intent'],
    ['an outcome of nothing', [outcome('d-1')], 'incomplete', 'an outcome without its intent'],
  ])('%s is found', async (_, drafts, status, message) => {
    const report = await written((log) => drafts.forEach((draft) => log.append(draft)))
    expect(report).toMatchObject({ status, findings: [{ severity: status, message }] })
  })

  it('an approval that was given, then used by the decision that was held, is in order', async () => {
    const held: RecordDraft = { event: 'decision.hold', decision: 'd-1', approval: { id: 'a-1', state: 'requested' } }
    const report = await written((log) => {
      for (const draft of [held, granted('a-1'), using('d-1', 'a-1'), outcome('d-1')]) log.append(draft)
    })
    expect(report).toMatchObject({ status: 'ok', findings: [], inDoubt: [] })
  })

  it('an approval may be recorded by another gateway, whose clock then counts', async () => {
    const directory = scratch()
    const clocks = [stepClock(Date.UTC(2026, 3, 1)), stepClock(Date.UTC(2026, 3, 2))]
    const [early, late] = await Promise.all([
      openLog(directory, { instance: 'gw-2', ...clocks[0] }),
      openLog(directory, { instance: 'gw-1', ...clocks[1] }),
    ])
    early.append(granted('a-1'))
    early.append(using('d-2', 'a-2'))
    early.append(outcome('d-2'))
    late.append(using('d-1', 'a-1'))
    late.append(outcome('d-1'))
    late.append(granted('a-2'))
    await Promise.all([early.close(), late.close()])
    const report = await verifyEvidence(directory)
    expect(report.findings.map(({ message }) => message)).toEqual(['approval a-2 came after its use'])
  })
})

async function writeSessions(log: EvidenceLog, sessions: number): Promise<void> {
  for (let index = 0; index < sessions; index += 1) await writeSession(log, `s-${index}`, 2)
}

describe('a log that is being written', () => {
  it('is sound while its writer runs: what has no outcome is under way', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await writeSession(log, 's-1', 2)
    await log.append(intent('d-1')).durable
    expect(await verifyEvidence(directory)).toMatchObject({
      status: 'ok',
      underway: 1,
      inDoubt: [],
      writers: [{ state: 'running' }],
    })
    expect(await verifyEvidence(crashCopy(directory))).toMatchObject({
      status: 'incomplete',
      underway: 0,
      inDoubt: [{ decision: 'd-1' }],
      writers: [{ state: 'open' }],
    })
    await log.close()
  })

  it('excuses no older writer of the instance that has lost its end', async () => {
    const directory = scratch()
    await (await openLog(directory)).close()
    const running = await openLog(directory, stepClock(Date.UTC(2026, 4, 1)))
    const file = fileOf(directory, 'records')
    writeLines(file, linesOf(file).slice(0, -1))
    const report = await verifyEvidence(directory)
    await running.close()
    expect(report).toMatchObject({ status: 'tampered', writers: [{ state: 'open' }, { state: 'running' }] })
  })

  it('can be verified again and again while sessions are appended', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    const written = writeSessions(log, 60).then(() => true)
    let times = 0
    do {
      expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok', findings: [] })
      times += 1
    } while (!(await Promise.race([written, setImmediate(false)])))
    expect(times).toBeGreaterThan(1)
    await log.close()
  })
})

it('counts what it saw', async () => {
  const directory = await finished()
  expect(await verifyEvidence(directory)).toMatchObject({
    status: 'ok',
    directory,
    records: 24,
    frames: 6,
    sessions: 3,
    events: { 'decision.forward': 6, 'outcome.ok': 6, 'session.opened': 3, 'writer.closed': 3 },
    findings: [],
    omitted: 0,
  })
})

it('tolerates an empty recording alone, which a crash between two files leaves', async () => {
  const directory = await finished()
  writeFileSync(join(directory, 'recordings', 'gw-1.1999999999999-0123456789ab.ndjson'), '')
  expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok' })
})

it('finds a session whose frames start over', async () => {
  const directory = scratch()
  const log = await openLog(directory)
  await log.appendFrame('s-1', rows('d-1')).durable
  await log.append({ event: 'session.closed', session: 's-1' }).durable
  await log.appendFrame('s-1', rows('d-2')).durable
  await log.close()
  expect(await verifyEvidence(directory)).toMatchObject({
    status: 'tampered',
    findings: [{ message: 'the session’s frames are broken', expected: 'frame 2', found: 'frame 1' }],
  })
})

it('does not take a renamed file for another writer', async () => {
  const directory = await finished()
  const { path } = fileOf(directory, 'records', 2)
  renameSync(path, path.replace('gw-1.', 'gw-9.'))
  const report = await verifyEvidence(directory)
  expect(report.status).toBe('tampered')
})

it('says that it can’t, of a format that it doesn’t know', async () => {
  const directory = scratch()
  await (await openLog(directory)).close()
  const file = fileOf(directory, 'records')
  const [first, ...rest] = linesOf(file)
  writeLines(file, [resigned(first, '"format":3', '"format":4'), ...rest])
  const report = await verifyEvidence(directory)
  expect(report.findings).toContainEqual(
    expect.objectContaining({ severity: 'cannot', expected: 'format 2 or 3', found: 'format 4' }),
  )
})

it('does not believe the end of a dead writer that nobody accounts for', async () => {
  const directory = scratch()
  const dead = await openLog(directory)
  await dead.append({ event: 'config.changed' }).durable
  const copy = crashCopy(directory)
  await dead.close()
  const forger = await openLog(copy, { instance: 'gw-2' })
  await forger.append({ event: 'writer.closed', detail: { writer_id: dead.writerId, last_seq: 2, how: 'crash' } })
    .durable
  await forger.close()
  expect(await verifyEvidence(copy)).toMatchObject({
    status: 'incomplete',
    writers: [{ state: 'open' }, { state: 'clean' }],
  })
})
