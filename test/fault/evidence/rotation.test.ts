import { expect, test } from 'vitest'
import { dieRotating } from '../../unit/evidence/dying-rotation.ts'
import type { Fault } from '../../unit/evidence/failing-files.ts'

test.each<Fault>(['before', 'after', 'short'])(
  'a start that rotates and dies at any step, %s its effect, leaves what the next one takes up',
  async (fault) => {
    expect(await dieRotating(fault, 1)).toBeGreaterThan(30)
  },
)
