import { cpSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import { openDirectoryOrder } from '../../../engine/evidence/directory-order.ts'
import type { FileSystem } from '../../../engine/evidence/index.ts'
import { Sequencer } from '../../../engine/evidence/sequencer.ts'
import { FailingFiles, type Fault, type Step } from './failing-files.ts'
import { logSigner, signedDirectory } from './signed.ts'
import { openLog, scratch, writeSession } from './workbench.ts'

const signer = logSigner()

/** A signed directory with as much again that nothing has signed: the next sequencer has all kinds of steps to do. */
async function behind(): Promise<string> {
  const directory = await signedDirectory(70)
  const log = await openLog(directory, {})
  await writeSession(log, 's-3', 130)
  await log.close()
  return directory
}

async function openSequencer(directory: string, files: FileSystem): Promise<Sequencer> {
  return Sequencer.open({ order: await openDirectoryOrder(directory, files), signer })
}

async function sequence(directory: string, files: FailingFiles): Promise<void> {
  const sequencer = await openSequencer(directory, files)
  try {
    await sequencer.advance()
  } finally {
    await sequencer.close()
  }
}

async function stepsOf(directory: string): Promise<readonly Step[]> {
  const copy = scratch()
  cpSync(directory, copy, { recursive: true })
  const files = new FailingFiles(-1, 'before')
  await sequence(copy, files)
  return files.steps
}

describe('a sequencer that dies', { timeout: 60_000 }, () => {
  test.each<Fault>(['before', 'after', 'short', 'full'])(
    'at any step, %s its effect, leaves what the next one takes up',
    async (fault) => {
      const directory = await behind()
      const steps = await stepsOf(directory)
      expect(steps.length).toBeGreaterThan(20)
      for (const [failAt, step] of steps.entries()) {
        if ((fault === 'short' || fault === 'full') && step !== 'write') continue
        const copy = scratch()
        cpSync(directory, copy, { recursive: true })
        const files = new FailingFiles(failAt, fault)
        const died = await sequence(copy, files).then(
          () => false,
          () => true,
        )
        expect(died).toBe(true)
        const left = await verifyEvidence(copy, { logKey: signer.verifier })
        expect({ failAt, step: files.steps[failAt], left: left.status }).not.toMatchObject({ left: 'tampered' })
        await sequence(copy, new FailingFiles(-1, 'before'))
        const { status, findings, log } = await verifyEvidence(copy, { logKey: signer.verifier })
        expect({ failAt, status, findings, size: log?.size }).toEqual({ failAt, status: 'ok', findings: [], size: 552 })
      }
    },
  )
})

it('refuses to continue a checkpoint that somebody has put in the place of its own', async () => {
  const directory = await behind()
  const sequencer = await openSequencer(directory, new FailingFiles(-1, 'before'))
  const other = await signedDirectory(1)
  cpSync(`${other}/log/checkpoint`, `${directory}/log/checkpoint`)
  await expect(sequencer.advance()).rejects.toMatchObject({
    code: 'ERR_EVIDENCE_TAMPERED',
    message: expect.stringMatching(/log\/checkpoint: expected a checkpoint of 288 records that the next continues/),
  })
  await sequencer.close()
})
