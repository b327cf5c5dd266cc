import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { tailCommand } from '../../../cli/evidence-tail.ts'
import { readRecords, verifyEvidence } from '../../../engine/evidence/index.ts'
import { richDirectory, writeDay } from '../evidence/bundle/workbench.ts'
import { openSigned, signedDirectory } from '../evidence/signed.ts'
import { fileOf, intent, openLog, scratch, stepClock } from '../evidence/workbench.ts'

interface Told {
  readonly index: number
  readonly record: Readonly<Record<string, unknown>>
  readonly salted?: unknown
}

/** What a reader that takes everything was told; `signal` stops it. */
async function tail(
  args: readonly string[],
  signal?: AbortSignal,
  onText?: (all: string) => void,
): Promise<readonly string[]> {
  let text = ''
  const take = (more: string): void => {
    text += more
    onText?.(text)
  }
  const io = { stdout: { write: take }, stderr: { write: take }, env: {}, ...(signal === undefined ? {} : { signal }) }
  expect(await tailCommand(args, io)).toBe(0)
  return text.split('\n').slice(0, -1)
}

const told = (lines: readonly string[]): readonly Told[] => lines.map((line): Told => JSON.parse(line))
const indexes = (lines: readonly string[]): readonly number[] => told(lines).map(({ index }) => index)
const upTo = (size: number): readonly number[] => Array.from({ length: size }, (_, index) => index)

async function sizeOf(directory: string): Promise<number> {
  let size = 0
  for await (const { index } of readRecords(directory)) if (index !== null) size += 1
  return size
}

const erased = (beside: string): string => `"salted":null${' '.repeat(beside.length - '"salted":null'.length)}`

describe('evidence tail', () => {
  it('prints every record once, in the log’s order, behind its index, over several writers', async () => {
    const directory = await signedDirectory(40)
    const lines = await tail([directory])
    expect(indexes(lines)).toEqual(upTo(await sizeOf(directory)))
    const stored: string[] = []
    for await (const { text, index } of readRecords(directory)) stored.push(`{"index":${index},${text.slice(1)}`)
    expect(lines).toEqual(stored)
  })

  it('shows nothing that no checkpoint covers, unless it is asked to', async () => {
    const directory = await signedDirectory()
    const size = await sizeOf(directory)
    await (await openLog(directory, stepClock(Date.UTC(2026, 4, 1)))).close() // by a gateway without the log's key
    expect(indexes(await tail([directory]))).toEqual(upTo(size))
    expect(await tail([directory, '--unsequenced'])).toHaveLength(size + 2)
  })

  it('goes on where its cursor stands, and no record comes twice or is left out', async () => {
    const directory = await richDirectory(60)
    const cursor = join(scratch(), 'cursor')
    const seen: number[] = []
    const stop = new AbortController()
    // The first reader stops after its first batch; the second goes on.
    seen.push(...indexes(await tail([directory, '--cursor', cursor], stop.signal, () => stop.abort())))
    expect(seen).toHaveLength(500)
    expect(JSON.parse(readFileSync(cursor, 'utf8'))).toMatchObject({ origin: 'bank.example/gw-1', index: 499 })
    seen.push(...indexes(await tail([directory, '--cursor', cursor])))
    expect(seen).toEqual(upTo(await sizeOf(directory)))
    expect(await tail([directory, '--cursor', cursor])).toEqual([])
  })

  it('follows the log into the next writer', async () => {
    const directory = await signedDirectory()
    const before = await sizeOf(directory)
    const stop = new AbortController()
    let seen = 0
    const following = tail([directory, '--follow'], stop.signal, (all) => (seen = all.split('\n').length - 1))
    const rhythm = { everyMs: 20, heartbeatMs: 3_600_000 }
    for (const month of [5, 6]) {
      const log = await openSigned(directory, { ...stepClock(Date.UTC(2026, month, 1)), rhythm })
      await log.append(intent(`d-${month}`)).durable
      await sleep(100)
      await log.close()
    }
    const size = await sizeOf(directory)
    await expect.poll(() => seen).toBe(size)
    stop.abort()
    expect(size).toBe(before + 8)
    expect(indexes(await following)).toEqual(upTo(size))
  })

  it('filters by event, verdict and time, and by what belongs to an agent, a control, a session', async () => {
    const directory = await richDirectory()
    const events = async (...args: readonly string[]): Promise<readonly unknown[]> =>
      told(await tail([directory, ...args])).map(({ record }) => record['event'])
    expect(await events('--event', 'session.*', '--event', 'writer.opened')).toEqual([
      'writer.opened',
      'session.opened',
      'session.closed',
      'session.opened',
      'session.closed',
    ])
    expect(await events('--verdict', 'reject')).toEqual(['decision.reject', 'decision.reject'])
    expect(await events('--agent', 'collector', '--event', 'outcome.*')).toHaveLength(3)
    expect(await events('--control', 'IS.II.C.18')).toEqual(['decision.reject', 'decision.reject'])
    expect(await events('--session', 'collector-0', '--event', 'approval.granted')).toHaveLength(1)
    expect(await events('--since', '2026-04-18T09:00:00.035Z')).toEqual(['writer.closed'])
    expect(await events('--since', '2030-01-01')).toEqual([])
  })

  it('knows an outcome’s agent from before where it starts', async () => {
    const directory = await richDirectory()
    const outcome = told(await tail([directory])).find(({ record }) => record['event'] === 'outcome.ok')?.index ?? 0
    const lines = await tail([directory, '--agent', 'reconciler', '--from-index', String(outcome)])
    expect(indexes(lines)[0]).toBe(outcome)
    const [event] = (await tail([directory, '--format', 'ocsf', '--from-index', String(outcome)])).map(
      (line): { readonly actor: { readonly user: { readonly uid: string } } } => JSON.parse(line),
    )
    expect(event?.actor.user.uid).toBe('reconciler')
  })

  it('marks an erased payload', async () => {
    const directory = await richDirectory()
    const file = fileOf(directory, 'records')
    const text = file.read().toString('utf8')
    file.write(Buffer.from(text.replace(/"salted":\{"body":.*?"salt":"[0-9a-f]{32}"\}/, erased)))
    const [first] = told(await tail([directory, '--event', 'decision.mask']))
    expect(first?.salted).toBeNull()
  })

  it('refuses a log that isn’t the cursor’s: another, or one that went back', async () => {
    const [one, other, small] = [await richDirectory(2), await richDirectory(1), await signedDirectory()]
    const cursor = join(scratch(), 'cursor')
    await tail([one, '--cursor', cursor])
    await expect(tail([other, '--cursor', cursor])).rejects.toMatchObject({ code: 'ERR_EVIDENCE_CURSOR' })
    await tail([small, '--cursor', join(scratch(), 'fresh')])
    writeFileSync(cursor, JSON.stringify({ origin: 'bank.example/gw-1', index: 3, leaf: 'ab'.repeat(32) }))
    await expect(tail([one, '--cursor', cursor])).rejects.toMatchObject({ code: 'ERR_EVIDENCE_CURSOR' })
    writeFileSync(cursor, 'nonsense')
    await expect(tail([one, '--cursor', cursor])).rejects.toThrow('expected a cursor')
  })

  it('refuses what was changed, and a directory without a log', async () => {
    const directory = await richDirectory()
    const file = fileOf(directory, 'records')
    file.write(Buffer.from(file.read().toString('utf8').replace('"verdict":"reject"', '"verdict":"forward"')))
    await expect(tail([directory])).rejects.toMatchObject({ code: 'ERR_EVIDENCE_TAMPERED' })
    const bare = scratch()
    await (await openLog(bare)).close()
    await expect(tail([bare])).rejects.toMatchObject({ code: 'ERR_EVIDENCE_CURSOR' })
    expect(await tail([bare, '--unsequenced'])).toHaveLength(2)
  })

  it('reads no further than its reader has taken, and writes no cursor for what was not', async () => {
    const directory = await richDirectory(60)
    const cursor = join(scratch(), 'cursor')
    const waiting: (() => void)[] = []
    const stuck = new Writable({ write: (_chunk, _encoding, done) => void waiting.push(done) })
    const running = tailCommand([directory, '--cursor', cursor], { stdout: stuck, stderr: stuck, env: {} })
    await expect.poll(() => waiting.length, { timeout: 10_000 }).toBe(1)
    await sleep(300) // a reader that doesn't wait would have come further by now
    expect(waiting).toHaveLength(1)
    expect(existsSync(cursor)).toBe(false)
    const batches = Math.ceil((await sizeOf(directory)) / 500)
    for (let taken = 1; taken <= batches; taken += 1) {
      await expect.poll(() => waiting.length, { timeout: 10_000 }).toBe(taken)
      waiting.at(-1)?.()
    }
    expect(await running).toBe(0)
    expect(JSON.parse(readFileSync(cursor, 'utf8')).index).toBe((await sizeOf(directory)) - 1)
  })

  it('leaves a directory as it was', async () => {
    const directory = await signedDirectory()
    await tail([directory])
    expect((await verifyEvidence(directory)).status).toBe('ok')
    const log = await openSigned(directory, stepClock(Date.UTC(2026, 6, 1)))
    await writeDay(log, 1)
    await log.close()
    appendFileSync(join(directory, 'records', `${log.writerId}.ndjson`), '{"torn')
    expect(indexes(await tail([directory]))).toEqual(upTo(await sizeOf(directory)))
  })
})
