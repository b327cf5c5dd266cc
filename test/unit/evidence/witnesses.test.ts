import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { startWitness, type WitnessProcess } from '../../support/witness-process.ts'
import { parseCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { cosignedAt, type Cosigner } from '../../../engine/evidence/cosignature.ts'
import {
  verifyEvidence,
  type EvidenceLog,
  type EvidenceOptions,
  type WitnessPeer,
} from '../../../engine/evidence/index.ts'
import { cosigner, MemoryLog } from './cosigned.ts'
import { logSigner, openSigned } from './signed.ts'
import { fileOf, recordsOf, scratch, writeSession } from './workbench.ts'

const RHYTHM = { everyMs: 10, heartbeatMs: 100 }
const real = { now: Date.now, monotonic: () => process.hrtime.bigint(), rhythm: RHYTHM }

function witnessedIn(directory: string): string {
  try {
    return readFileSync(join(directory, 'log/witnessed'), 'utf8')
  } catch {
    return ''
  }
}

/** Who of these has signed what is in log/witnessed. */
function signersOf(directory: string, by: readonly Cosigner[]): readonly string[] {
  const note = parseCheckpoint(witnessedIn(directory))?.note
  return by
    .filter(({ verifier }) => note !== undefined && cosignedAt(note, verifier) !== undefined)
    .map(({ verifier }) => verifier.name)
}

const sizeOf = (note: string): number => parseCheckpoint(note)?.size ?? 0
const peer = (url: string, by: Cosigner): WitnessPeer => ({ url, key: by.verifier })

async function witness(by: Cosigner = cosigner(), home = scratch(), port = 0): Promise<WitnessProcess> {
  const running = await startWitness({ cosigner: by, logs: [logSigner().verifier], home, port })
  onTestFinished(() => running.kill())
  return running
}

interface Opened {
  readonly directory: string
  readonly log: EvidenceLog
  readonly troubles: (readonly [string, string | null])[]
}

async function opened(witnesses: readonly WitnessPeer[], options: Partial<EvidenceOptions> = {}): Promise<Opened> {
  const directory = options.directory ?? scratch()
  const troubles: [string, string | null][] = []
  const onWitnessTrouble = (name: string, trouble: string | null): void => void troubles.push([name, trouble])
  const log = await openSigned(directory, { ...real, witnesses, onWitnessTrouble, ...options })
  return { directory, log, troubles }
}

describe('a log with witnesses', () => {
  it('has what it signs cosigned by each, records that, and comes to rest', async () => {
    const two = [cosigner(), cosigner(11, 'regulator.example/w2')]
    const running = await Promise.all(two.map((by) => witness(by)))
    const { directory, log, troubles } = await opened(running.map(({ url }, at) => peer(url, two[at] ?? cosigner())))
    await writeSession(log, 's-1', 3)
    const names = ['auditor.example/w1', 'regulator.example/w2']
    await expect.poll(() => signersOf(directory, two)).toEqual(names)
    await expect
      .poll(() => recordsOf(fileOf(directory, 'records')).map(({ event }) => event))
      .toContain('log.witnessed')
    await log.close()
    expect(signersOf(directory, two)).toEqual(names)
    expect(witnessedIn(directory)).toContain(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))
    expect(troubles).toEqual([])
    expect(await verifyEvidence(directory, { logKey: logSigner().verifier })).toMatchObject({ status: 'ok' })
  })

  it('goes on without one that is gone, tells that once, and catches up when it is back', async () => {
    const home = scratch()
    const port = await freePort()
    const first = await witness(cosigner(), home, port)
    const { directory, log, troubles } = await opened([peer(first.url, cosigner())])
    await expect.poll(() => sizeOf(witnessedIn(directory))).toBeGreaterThan(0)
    await first.kill()
    await writeSession(log, 's-1', 5)
    await expect.poll(() => troubles.length).toBe(1)
    await writeSession(log, 's-2', 5)
    const before = sizeOf(witnessedIn(directory))
    await witness(cosigner(), home, port)
    await expect.poll(() => sizeOf(witnessedIn(directory)), { timeout: 15_000 }).toBeGreaterThan(before + 20)
    await expect.poll(() => troubles.at(-1)).toEqual(['auditor.example/w1', null])
    expect(troubles).toHaveLength(2)
    await log.close()
  })

  it('continues where the witness is, over a restart of its own', async () => {
    const running = await witness()
    const one = await opened([peer(running.url, cosigner())])
    await writeSession(one.log, 's-1', 3)
    await one.log.close()
    const two = await opened([peer(running.url, cosigner())], { directory: one.directory })
    await writeSession(two.log, 's-2', 3)
    await two.log.close()
    expect([...one.troubles, ...two.troubles]).toEqual([])
    expect(sizeOf(witnessedIn(one.directory))).toBe(sizeOf(readFileSync(join(one.directory, 'log/checkpoint'), 'utf8')))
  })

  it('hears of it from the witness when it went back', async () => {
    const running = await witness()
    const memory = new MemoryLog()
    const body = await memory.request(0, 250)
    await fetch(`${running.url}/add-checkpoint`, { method: 'POST', body })
    const { directory, log, troubles } = await opened([peer(running.url, cosigner())])
    await expect
      .poll(() => troubles[0]?.[1])
      .toMatch(/it has cosigned 250 records and the log has \d+: this log went back/)
    expect(witnessedIn(directory)).toBe('')
    await log.close()
  })
})

async function pretender(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => server.closeAllConnections())
  onTestFinished(() => void server.close())
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

describe('of what a witness answers, nothing but its own signature is kept:', () => {
  test.each<[string, RequestListener, RegExp]>([
    ['other text', (_, response) => response.end('fine\n'), /holds no cosignature of its key/],
    ['a lot of it', (_, response) => response.end('x'.repeat(100_000)), /longer than 65536 bytes/],
    [
      'a redirection',
      (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(),
      /fetch failed|redirect/,
    ],
    ['a size that is none', (_, response) => response.writeHead(409).end('1\n'), /it answered 409/],
    [
      'the same conflict for ever',
      (_, response) => response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end('1\n'),
      /it answered 409/,
    ],
  ])('%s', async (_, answer, trouble) => {
    const { directory, log, troubles } = await opened([peer(await pretender(answer), cosigner())])
    await expect.poll(() => troubles[0]?.[1]).toMatch(trouble)
    await log.close()
    expect(witnessedIn(directory)).toBe('')
  })

  test('the signature of another witness', async () => {
    const running = await witness(cosigner(12))
    const { directory, log, troubles } = await opened([peer(running.url, cosigner())])
    await expect.poll(() => troubles[0]?.[1]).toMatch(/holds no cosignature of its key/)
    await log.close()
    expect(witnessedIn(directory)).toBe('')
  })

  test('silence, for as long as an answer may take: nothing else waits', async () => {
    const url = await pretender(() => {})
    const { directory, log } = await opened([peer(url, cosigner())])
    await writeSession(log, 's-1', 3)
    await expect.poll(() => sizeOf(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))).toBeGreaterThan(7)
    await log.close()
  })
})
