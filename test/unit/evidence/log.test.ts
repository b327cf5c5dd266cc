import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { canonicalJson, verifyEvidence, type RecordDraft } from '../../../engine/evidence/index.ts'
import { fileOf, intent, linesOf, openLog, outcome, recordsOf, rows, scratch, writeSession } from './workbench.ts'

const ZEROS = '0'.repeat(64)

describe('opening', () => {
  test.each(['', '.hidden', 'a/b', 'a.b', '../up', 'x'.repeat(64), 'é'])(
    'refuses the instance name %j',
    async (instance) => {
      await expect(openLog(scratch(), { instance })).rejects.toMatchObject({
        code: 'ERR_EVIDENCE_DIRECTORY',
        message: expect.stringContaining('instance name'),
      })
    },
  )

  it('refuses a directory that is a file, and names it', async () => {
    const path = join(scratch(), 'file')
    writeFileSync(path, '')
    await expect(openLog(path)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_DIRECTORY',
      fatal: true,
      message: expect.stringContaining(path),
    })
  })

  it('refuses a lock that is no lock', async () => {
    const directory = scratch()
    mkdirSync(join(directory, 'locks'))
    mkdirSync(join(directory, 'locks', 'gw-1.lock'))
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_DIRECTORY',
      message: expect.stringContaining('lock'),
    })
  })

  it('refuses a second writer of the same instance, lets another instance in, and the first again after close', async () => {
    const directory = scratch()
    const first = await openLog(directory)
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_LOCKED',
      message: expect.stringContaining(`process ${process.pid} writes evidence as instance "gw-1"`),
    })
    const other = await openLog(directory, { instance: 'gw-2' })
    await Promise.all([first.close(), other.close()])
    const again = await openLog(directory)
    await again.close()
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok', findings: [] })
  })

  it('keeps everything to its own user', async () => {
    const directory = join(scratch(), 'deep', 'er')
    const log = await openLog(directory)
    await log.close()
    for (const part of ['records', 'recordings', 'locks']) {
      expect(statSync(join(directory, part)).mode & 0o777).toBe(0o700)
      for (const file of readdirSync(join(directory, part))) {
        expect(statSync(join(directory, part, file)).mode & 0o777).toBe(0o600)
      }
    }
  })

  it('sorts after the writers before it when the clock was set back', async () => {
    const directory = scratch()
    const first = await openLog(directory, { now: () => 2_000_000_000_000 })
    await first.close()
    const second = await openLog(directory, { now: () => 1_000_000_000_000 })
    await second.close()
    expect(second.writerId > first.writerId).toBe(true)
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok' })
  })
})

describe('appending', () => {
  test.each<[string, RecordDraft, string]>([
    ['too large', { event: 'config.changed', detail: { text: 'é'.repeat(33_000) } }, 'the limit is 65535'],
    ['not Unicode', { event: 'config.changed', detail: { text: '\ud800' } }, 'not valid Unicode'],
    ['not finite', { event: 'config.changed', detail: { number: Infinity } }, 'not finite'],
  ])('refuses a record that is %s, and takes the next one', async (_, draft, why) => {
    const directory = scratch()
    const log = await openLog(directory)
    const refused = log.append(draft)
    expect(refused.id).toBe('')
    await expect(refused.durable).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_RECORD',
      fatal: false,
      message: expect.stringContaining(why),
    })
    await log.append({ event: 'config.changed' }).durable
    await log.close()
    expect(recordsOf(fileOf(directory, 'records')).map(({ event }) => event)).toEqual([
      'writer.opened',
      'config.changed',
      'writer.closed',
    ])
  })

  it('does not let a draft choose what only the log may say', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    const forged = {
      event: 'config.changed',
      seq: 99,
      writer_id: 'x',
      prev: 'y',
      ts: 'z',
      id: 'w',
      mono_ns: 'v',
    } as const
    await log.append(forged).durable
    await log.close()
    expect(recordsOf(fileOf(directory, 'records'))[1]).toMatchObject({
      id: `${log.writerId}:2`,
      seq: 2,
      writer_id: log.writerId,
      prev: expect.stringMatching(/^[0-9a-f]{64}$/),
      ts: expect.stringMatching(/^2026-/),
    })
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok' })
  })

  it('refuses everything once closed, and closes once', async () => {
    const log = await openLog(scratch())
    const closing = log.close()
    await expect(log.append({ event: 'config.changed' }).durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_CLOSED' })
    await expect(log.appendFrame('s-1', rows('d-1')).durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_CLOSED' })
    expect(log.close()).toBe(closing)
    await closing
  })

  it('writes lines that are canonical JSON and bind themselves', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await writeSession(log, 's-1', 2)
    await log.close()
    const lines = [...linesOf(fileOf(directory, 'records')), ...linesOf(fileOf(directory, 'recordings'))]
    let entries = 0
    for (const line of lines) {
      const parsed: { leaf: string; record?: object; frame?: object } = JSON.parse(line)
      expect(canonicalJson(parsed)).toBe(line)
      const entry = Buffer.from(canonicalJson(parsed.record ?? parsed.frame))
      expect(createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex')).toBe(parsed.leaf)
      entries += 1
    }
    expect(entries).toBe(10)
  })

  it('keeps the order of 10,000 calls from 100 callers, in one gap-free chain', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    const order: string[] = []
    const caller = async (number: number): Promise<void> => {
      for (let index = 0; index < 100; index += 1) {
        const decision = `${number}-${index}`
        order.push(decision)
        await log.append({ event: 'decision.reject', decision, session: `s-${number}` }).durable
      }
    }
    await Promise.all(Array.from({ length: 100 }, (_, number) => caller(number)))
    await log.close()
    const written = recordsOf(fileOf(directory, 'records')).map(({ decision }) => decision)
    expect(written.filter((decision) => decision !== undefined)).toEqual(order)
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok', records: 10_002 })
  })

  it('gives an intent that nobody settled an outcome.unknown when it closes', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    log.append(intent('d-1'))
    log.append(intent('d-2'))
    log.append(outcome('d-1'))
    await log.close()
    expect(recordsOf(fileOf(directory, 'records')).at(-2)).toMatchObject({
      event: 'outcome.unknown',
      decision: 'd-2',
      session: 's-1',
      detail: { intent: `${log.writerId}:3`, reason: 'shutdown' },
    })
    const report = await verifyEvidence(directory)
    expect(report).toMatchObject({ status: 'ok', inDoubt: [{ decision: 'd-2', principal: 'reconciler' }] })
  })
})

describe('recording', () => {
  it('replaces a body that is too large by its digest', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    const body = { text: 'x'.repeat(140_000) }
    await log.appendFrame('s-1', rows('d-1', body)).durable
    await log.close()
    const [line] = linesOf(fileOf(directory, 'recordings'))
    const { frame }: { frame: object } = JSON.parse(line ?? '')
    expect(frame).not.toHaveProperty('payload')
    expect(frame).toMatchObject({
      truncated: true,
      body_bytes: 140_011,
      body_digest: createHash('sha256').update(canonicalJson(body)).digest('hex'),
    })
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok', frames: 1 })
  })

  it('refuses a body that is no JSON, and one whose rest is too large', async () => {
    const log = await openLog(scratch())
    const masks = Array.from({ length: 2000 }, (_, index) => ({
      field: `public.accounts.column${index}`,
      method: 'redact',
      count: 1,
    }))
    for (const frame of [rows('d-1', '\ud800'), { ...rows('d-1'), masks }]) {
      await expect(log.appendFrame('s-1', frame).durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_RECORD' })
    }
    expect(log.recordingDigest('s-1')).toBe(ZEROS)
    await log.close()
  })

  it('chains each session apart, numbers the file through, and is named by the records that follow', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    expect(log.recordingDigest('s-1')).toBe(ZEROS)
    log.appendFrame('s-1', rows('d-1'))
    log.appendFrame('s-2', rows('d-2'))
    await log.appendFrame('s-1', rows('d-3')).durable
    const head = log.recordingDigest('s-1')
    log.append(outcome('d-1', 's-1'))
    log.append(outcome('d-3', 's-1'))
    log.append({ event: 'session.closed', session: 's-1' })
    await log.close()
    const frames = linesOf(fileOf(directory, 'recordings')).map(parseFrameLine)
    expect(frames.map(({ frame }) => frame)).toMatchObject([
      { seq: 1, session: 's-1', i: 1, prev: ZEROS, t_ms: 0 },
      { seq: 2, session: 's-2', i: 1, prev: ZEROS, t_ms: 0 },
      { seq: 3, session: 's-1', i: 2, prev: frames[0]?.leaf },
    ])
    expect(frames[2]?.leaf).toBe(head)
    expect(log.recordingDigest('s-1')).toBe(ZEROS)
    const named = recordsOf(fileOf(directory, 'records')).map(({ recording }) => recording)
    expect(named.filter((recording) => recording !== undefined)).toEqual([{ frames: 2, head }])
  })

  it('is not named as far as it is still under way', async () => {
    const directory = scratch()
    const log = await openLog(directory)
    await log.appendFrame('s-1', rows('d-1')).durable
    const head = log.recordingDigest('s-1')
    log.appendFrame('s-1', rows('d-2'))
    await log.append({ event: 'masking.applied', session: 's-1' }).durable
    await log.append({ event: 'session.closed', session: 's-1' }).durable
    await log.close()
    expect(recordsOf(fileOf(directory, 'records')).map(({ recording }) => recording)).toEqual([
      undefined,
      { frames: 1, head },
      { frames: 2, head: expect.stringMatching(/^[0-9a-f]{64}$/) },
      undefined,
    ])
  })
})

function parseFrameLine(line: string): { readonly leaf: string; readonly frame: object } {
  const parsed: { leaf: string; frame: object } = JSON.parse(line)
  return parsed
}
