import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, test } from 'vitest'
import { verifierText, verifyEvidence } from '../../../engine/evidence/index.ts'
import { logSigner, openSigned, signedDirectory } from './signed.ts'
import { intent, openLog, scratch } from './workbench.ts'

const SCRIPT = fileURLToPath(new URL('../../../docs/verify.py', import.meta.url))
const logKey = logSigner().verifier

/** What each verifier makes of a directory: its exit code, and whether it uses these words. */
async function both(directory: string, words: string, since?: string) {
  const { status, findings } = await verifyEvidence(directory, { logKey, ...(since === undefined ? {} : { since }) })
  const earlier = join(scratch(), 'earlier')
  if (since !== undefined) writeFileSync(earlier, since)
  const args = [
    SCRIPT,
    directory,
    '--log-key',
    verifierText(logKey),
    ...(since === undefined ? [] : ['--since', earlier]),
  ]
  const { status: code, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  return {
    ours: [status, findings.some(({ message }) => message.includes(words))],
    python: [code, stdout.includes(words), stderr],
  }
}

const found = (status: 'tampered' | 'incomplete', code: number) => ({ ours: [status, true], python: [code, true, ''] })
const changed = (path: string, change: (bytes: Buffer) => Buffer): void =>
  writeFileSync(path, change(readFileSync(path)))

/** Attacks on a tree of more than one tile, and what both verifiers have to say of it; every other attack is a published vector (`drill.test.ts`). */
const DRILL: readonly (readonly [string, string, (directory: string) => void])[] = [
  ['a tile deleted', 'a tile is gone', (at) => rmSync(join(at, 'log/tile/0/001'))],
  ['a tile changed', 'a tile was changed', (at) => changed(join(at, 'log/tile/0/001'), (bytes) => bytes.fill(0, 3, 4))],
]

/** One intent under a checkpoint: two of these are forks of one size. */
async function small(decision: string): Promise<string> {
  const directory = scratch()
  const log = await openSigned(directory)
  await log.append(intent(decision)).durable
  await log.close()
  return directory
}

const checkpointIn = (directory: string): string => readFileSync(join(directory, 'log/checkpoint'), 'utf8')

describe('the verifier in Python and ours agree', () => {
  it('that a whole directory is whole, and continues its own past', async () => {
    const original = await signedDirectory(140)
    const agreed = await both(original, 'none of these', checkpointIn(original))
    expect(agreed).toEqual({ ours: ['ok', false], python: [0, false, ''] })
  })

  test.each(DRILL)('on %s: %s', async (_, words, attack) => {
    const directory = await signedDirectory(140)
    attack(directory)
    expect(await both(directory, words)).toEqual(found('tampered', 1))
  })

  it('on a fork, a log that went back, and a history written anew', async () => {
    const [one, other] = [await small('d-1'), await small('d-2')]
    expect(await both(other, 'the log was forked', checkpointIn(one))).toEqual(found('tampered', 1))
    expect(await both(other, 'the log went back', checkpointIn(await signedDirectory()))).toEqual(found('tampered', 1))
    cpSync(join(one, 'log/checkpoint'), join(other, 'log/checkpoint'))
    expect(await both(other, 'the records are not those that were signed')).toEqual(found('tampered', 1))
  })

  it('on records that no checkpoint covers', async () => {
    const directory = await small('d-1')
    await (await openLog(directory)).close()
    expect(await both(directory, 'records that no checkpoint covers')).toEqual(found('incomplete', 2))
  })
})
