import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { parseCheckpoint } from '../../../engine/evidence/checkpoint.ts'
import { verifyEvidence, type EvidenceOptions } from '../../../engine/evidence/index.ts'
import { signedBy } from '../../../engine/evidence/signed-note.ts'
import { FailingFiles, type Fault } from './failing-files.ts'
import { logSigner, openSigned, signedDirectory } from './signed.ts'
import { scratch, stepClock } from './workbench.ts'

const [old, next] = [logSigner(7), logSigner(8)]
const trust = { logKey: old.verifier }

async function rotate(directory: string, options: Partial<EvidenceOptions>): Promise<void> {
  const log = await openSigned(directory, { ...options, signer: next, previousSigner: old })
  await log.close()
}

/**
 * A start that rotates the log's key, on a disk that fails at a step, for every `stride`th step: what is left is nothing that
 * a crash doesn't leave, and the next start carries the rotation out, once. Answers how many steps failed.
 */
export async function dieRotating(fault: Fault, stride: number): Promise<number> {
  const directory = await signedDirectory(2, old)
  for (let failAt = 0; ; failAt += stride) {
    const copy = scratch()
    cpSync(directory, copy, { recursive: true })
    const files = new FailingFiles(failAt, fault)
    await rotate(copy, { ...stepClock(Date.UTC(2026, 5, 1)), files }).catch(() => {})
    if (files.steps.length <= failAt) return failAt / stride
    const left = await verifyEvidence(copy, trust)
    const step = files.steps[failAt]
    expect({ failAt, step, left: left.findings.filter(({ severity }) => severity === 'tampered') }).toMatchObject({
      left: [],
    })
    await rotate(copy, stepClock(Date.UTC(2026, 5, 2)))
    const { status, findings, events } = await verifyEvidence(copy, trust)
    expect({ failAt, step, status, findings, rotated: events['key.rotated'] }).toEqual({
      failAt,
      step,
      status: 'ok',
      findings: [],
      rotated: 1,
    })
    const note = parseCheckpoint(readFileSync(join(copy, 'log/checkpoint'), 'utf8'))?.note
    expect(note && signedBy(note, next.verifier)).toBe(true)
  }
}
