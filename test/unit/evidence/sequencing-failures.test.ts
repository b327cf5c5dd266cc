import { cpSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { FailingFiles, type Fault } from './failing-files.ts'
import { behind, dieAtSteps, openSequencer } from './sequencing-losses.ts'
import { signedDirectory } from './signed.ts'

describe('a sequencer that dies', { timeout: 60_000 }, () => {
  // Every step is test/fault/evidence/sequencing-losses.test.ts.
  test.each<[Fault, number]>([
    ['before', 0],
    ['after', 2],
    ['short', 1],
    ['full', 2],
  ])('at steps of its way, %s their effect, leaves what the next one takes up', async (fault, from) => {
    expect(await dieAtSteps(fault, { from, every: 4 })).toBeGreaterThan(0)
  })
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
