import { expect, test } from 'vitest'
import type { Fault } from '../../unit/evidence/failing-files.ts'
import { dieAtSteps } from '../../unit/evidence/sequencing-losses.ts'

test.each<Fault>(['before', 'after', 'short', 'full'])(
  'a sequencer that dies at any step, %s its effect, leaves what the next one takes up',
  async (fault) => {
    expect(await dieAtSteps(fault, { from: 0, every: 1 })).toBeGreaterThan(3)
  },
)
