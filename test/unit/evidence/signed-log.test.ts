import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { verifyEvidence, type Trust } from '../../../engine/evidence/index.ts'
import { logSigner, openSigned, signedDirectory } from './signed.ts'
import { fileOf, filesOf, intent, linesOf, openLog, scratch, writeLines, writeSession } from './workbench.ts'

const logKey = logSigner().verifier

async function found(directory: string, trust: Trust = { logKey }): Promise<readonly string[]> {
  const { status, findings } = await verifyEvidence(directory, trust)
  return [status, ...findings.map(({ message }) => message)]
}

const checkpointIn = (directory: string): string => readFileSync(join(directory, 'log/checkpoint'), 'utf8')

/** The same directory, written anew: other hashes, everything in itself as it should be. */
async function rewritten(change: (text: string) => string): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory)
  await log.append(intent(change('d-1'))).durable
  await log.close()
  return directory
}

describe('a signed directory', () => {
  it('is whole', async () => {
    const directory = await signedDirectory(140)
    const report = await verifyEvidence(directory, { logKey, since: checkpointIn(directory) })
    expect(report).toMatchObject({ status: 'ok', findings: [] })
    expect(report.log).toMatchObject({ size: 568, signature: 'verified', since: 'consistent', unsigned: 0 })
  })

  it('says that no signature was checked without a key', async () => {
    const { status, log } = await verifyEvidence(await signedDirectory())
    expect({ status, signature: log?.signature }).toEqual({ status: 'ok', signature: 'unchecked' })
  })

  it('binds a record to the root by its inclusion proof', async () => {
    const directory = await signedDirectory(140)
    const { log } = await verifyEvidence(directory, { logKey, explain: 's-2-d139' })
    expect(log?.explanations).toMatchObject([
      { event: 'decision.forward', index: 564, proved: true },
      { event: 'outcome.ok', index: 565, proved: true },
    ])
  })

  it('signs while it is written, and proves silence by a record', async () => {
    const directory = scratch()
    const log = await openSigned(directory, {
      rhythm: { everyMs: 5, heartbeatMs: 20 },
      monotonic: () => process.hrtime.bigint(),
    })
    await writeSession(log, 's-1', 3)
    await expect
      .poll(async () => (await verifyEvidence(directory, { logKey })).events['log.checkpoint'])
      .toBeGreaterThan(1)
    expect(await found(directory)).toEqual(['ok'])
    await log.close()
    expect(await found(directory)).toEqual(['ok'])
  })
})

describe('each attack has its own words:', () => {
  test('a flipped byte', async () => {
    const directory = await signedDirectory()
    const file = fileOf(directory, 'records')
    file.write(Buffer.from(file.read().toString().replace('reconciler', 'recanciler')))
    expect(await found(directory)).toContain('the line was changed')
  })

  test('the last record cut off, and all of the last writer', async () => {
    const directory = await signedDirectory()
    const file = fileOf(directory, 'records', 1)
    writeLines(file, linesOf(file).slice(0, -1))
    const cut = 'a record of the log is gone or illegible: cut off, taken out, or changed'
    expect(await found(directory)).toEqual(expect.arrayContaining(['tampered', cut]))
    rmSync(file.path)
    rmSync(fileOf(directory, 'recordings', 1).path)
    expect(await found(directory)).toEqual(['tampered', cut, 'the records are not those that were signed'])
  })

  test('a history written anew under the old checkpoint', async () => {
    const directory = await rewritten((text) => text)
    const other = await rewritten((text) => text.replace('1', '2'))
    cpSync(join(directory, 'log/checkpoint'), join(other, 'log/checkpoint'))
    expect(await found(other)).toEqual(['tampered', 'the records are not those that were signed'])
  })

  test('signed again with another key', async () => {
    const directory = await signedDirectory(2, logSigner(8))
    expect(await found(directory)).toEqual(['tampered', 'signed with another key, or changed'])
  })

  test('a fork of one size, and a log that went back', async () => {
    const since = checkpointIn(await rewritten((text) => text))
    const fork = await rewritten((text) => text.replace('1', '2'))
    const forked = 'the log was forked: it does not continue the earlier checkpoint'
    expect(await found(fork, { logKey, since })).toEqual(['tampered', forked])
    const long = checkpointIn(await signedDirectory())
    expect(await found(fork, { logKey, since: long })).toEqual(['tampered', 'the log went back'])
  })

  test('a tile deleted, a tile changed', async () => {
    const directory = await signedDirectory(140)
    const tile = join(directory, 'log/tile/0/001')
    const hashes = readFileSync(tile)
    writeFileSync(tile, hashes.fill(0, 5, 6))
    expect(await found(directory)).toEqual(['tampered', 'a tile was changed'])
    rmSync(tile)
    expect(await found(directory)).toEqual(['tampered', 'a tile is gone'])
  })

  test('the checkpoint deleted, the whole log deleted', async () => {
    const directory = await signedDirectory()
    rmSync(join(directory, 'log/checkpoint'))
    expect(await found(directory)).toContain('the checkpoint is gone')
    rmSync(join(directory, 'log'), { recursive: true })
    expect(await found(directory)).toEqual(['tampered', 'the log is gone'])
  })

  test('the order changed', async () => {
    const directory = await signedDirectory()
    const path = join(directory, 'log/sequence.ndjson')
    writeFileSync(path, readFileSync(path, 'utf8').split('\n').toReversed().slice(1).join('\n'))
    expect(await found(directory)).toContain('the order was changed')
  })

  test('records that no checkpoint covers', async () => {
    const directory = await signedDirectory()
    const log = await openLog(directory)
    await log.close()
    expect(await found(directory)).toEqual(['incomplete', 'records that no checkpoint covers'])
    await (await openSigned(directory)).close()
    expect(await found(directory)).toEqual(['ok'])
  })
})

const refused = (path: RegExp) => ({ code: 'ERR_EVIDENCE_TAMPERED', message: expect.stringMatching(path) })

describe('a start refuses', () => {
  it('a directory whose records are behind its checkpoint', async () => {
    const directory = await signedDirectory()
    rmSync(fileOf(directory, 'records', 1).path)
    rmSync(fileOf(directory, 'recordings', 1).path)
    await expect(openSigned(directory)).rejects.toMatchObject(
      refused(/expected the records that were signed; found no such file/),
    )
    expect(filesOf(directory, 'records')).toHaveLength(1)
  })

  it('a checkpoint of another key', async () => {
    const directory = await signedDirectory(2, logSigner(8))
    await expect(openSigned(directory)).rejects.toMatchObject(
      refused(/signed with the configured key; found none such/),
    )
  })

  it('tiles that are not those of the root', async () => {
    const directory = await signedDirectory(140)
    const tile = join(directory, 'log/tile/0/000')
    writeFileSync(tile, readFileSync(tile).fill(0, 5, 6))
    await expect(openSigned(directory)).rejects.toMatchObject(refused(/0\/000: expected tiles of the signed root/))
  })

  it('a second author of the order', async () => {
    const directory = scratch()
    const log = await openSigned(directory)
    await expect(openSigned(directory, { instance: 'gw-2' })).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_LOCKED',
      message: expect.stringContaining('another process signs the log of this directory'),
    })
    await log.close()
  })

  it('nothing that a torn end of the sequence file leaves', async () => {
    const directory = await signedDirectory()
    appendFileSync(join(directory, 'log/sequence.ndjson'), '{"count":3,"ind')
    await (await openSigned(directory)).close()
    expect(await found(directory)).toEqual(['ok'])
  })
})
