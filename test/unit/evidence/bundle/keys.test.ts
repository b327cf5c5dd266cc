import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../../../engine/evidence/checkpoint.ts'
import { verifierText, verifyBundle, type NoteSigner } from '../../../../engine/evidence/index.ts'
import { cosigner, witnessedNote } from '../cosigned.ts'
import { logSigner, openSigned } from '../signed.ts'
import { intent, outcome, scratch, stepClock, unsynced } from '../workbench.ts'
import { verifyInPython } from './python.ts'
import { contentOf, exportTo, richDirectory, trust } from './workbench.ts'

/** A directory whose newest checkpoint a witness has signed too. */
async function witnessed(signer = cosigner()): Promise<string> {
  const directory = await richDirectory()
  const checkpoint = parseCheckpoint(readFileSync(join(directory, 'log/checkpoint'), 'utf8'))
  if (checkpoint === undefined) throw new Error('no checkpoint')
  mkdirSync(join(directory, 'log'), { recursive: true })
  writeFileSync(join(directory, 'log/witnessed'), witnessedNote(checkpoint, logSigner(), signer))
  return directory
}

describe('a bundle of a witnessed log', () => {
  it('has the witness’s signature, which both verifiers judge', async () => {
    const { out, witnessed: isWitnessed } = await exportTo(await witnessed())
    expect(isWitnessed).toBe(true)
    expect(contentOf(out).get('checkpoint.txt')?.toString()).toContain('— auditor.example/w1 ')
    const known = { ...trust, witnessKeys: [cosigner().verifier] }
    expect(await verifyBundle(out, known)).toMatchObject({
      status: 'ok',
      witnesses: [{ size: 30, at: '2026-04-18T09:00:00Z' }],
    })
    expect(verifyInPython(out, '--witness-key', verifierText(cosigner().verifier)).code).toBe(0)
  })

  it('is incomplete for whoever asks for another witness', async () => {
    const { out } = await exportTo(await witnessed())
    const other = cosigner(10, 'other.example/w2').verifier
    expect((await verifyBundle(out, { ...trust, witnessKeys: [other] })).status).toBe('incomplete')
    expect(verifyInPython(out, '--witness-key', verifierText(other)).code).toBe(2)
  })
})

const [first, second] = [logSigner(21), logSigner(22)]

/** One writer's life, with this key, and the one before where it is new. */
async function life(directory: string, signer: NoteSigner, previousSigner?: NoteSigner): Promise<void> {
  const clock = stepClock(Date.UTC(2026, 3, previousSigner === undefined ? 1 : 2))
  const options = { ...clock, signer, files: unsynced, ...(previousSigner === undefined ? {} : { previousSigner }) }
  const log = await openSigned(directory, options)
  await log.append(intent(`d-${signer.verifier.id.toString('hex')}`)).durable
  await log.append(outcome(`d-${signer.verifier.id.toString('hex')}`)).durable
  await log.close()
}

it('a bundle of a log whose key was rotated verifies by any key that the log has had, and by no other', async () => {
  const directory = scratch()
  await life(directory, first)
  await life(directory, second, first)
  const { out } = await exportTo(directory, { agent: 'reconciler' })
  for (const { verifier } of [first, second]) {
    const { status, checkpoint } = await verifyBundle(out, { ...trust, logKey: verifier })
    expect({ status, checkpoint }).toEqual({ status: 'ok', checkpoint: 'verified' })
    expect(verifyInPython(out, '--log-key', verifierText(verifier)).code).toBe(0)
  }
  expect((await verifyBundle(out, trust)).status).toBe('tampered')
  expect(verifyInPython(out).code).toBe(1)
})
