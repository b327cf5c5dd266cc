import { cpSync } from 'node:fs'
import { expect } from 'vitest'
import { verifyEvidence } from '../../../engine/evidence/index.ts'
import { openDirectoryOrder } from '../../../engine/evidence/directory-order.ts'
import type { FileSystem } from '../../../engine/evidence/index.ts'
import { Sequencer } from '../../../engine/evidence/sequencer.ts'
import { FailingFiles, type Fault, type Step } from './failing-files.ts'
import { logSigner, signedDirectory } from './signed.ts'
import { openLog, scratch, writeSession } from './workbench.ts'

const signer = logSigner()

/** A signed directory with as much again that nothing has signed: the next sequencer has all kinds of steps to do. */
export async function behind(): Promise<string> {
  const directory = await signedDirectory(70)
  const log = await openLog(directory, {})
  await writeSession(log, 's-3', 130)
  await log.close()
  return directory
}

export async function openSequencer(directory: string, files: FileSystem): Promise<Sequencer> {
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

/** A sequencer dies at every so many steps of its way, and the next one takes up what it left. Gives how often it died. */
export async function dieAtSteps(fault: Fault, { from, every }: { from: number; every: number }): Promise<number> {
  const directory = await behind()
  const steps = await stepsOf(directory)
  expect(steps.length).toBeGreaterThan(20)
  const writes = fault === 'short' || fault === 'full'
  const failing = [...steps.entries()].filter(([, step]) => !writes || step === 'write').map(([at]) => at)
  const chosen = failing.filter((_, index) => index >= from && (index - from) % every === 0)
  for (const failAt of chosen) {
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
  return chosen.length
}
