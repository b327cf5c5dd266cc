import { expect, test } from 'vitest'
import { recoversTorn } from '../../unit/evidence/torn-lines.ts'

// The short form is test/unit/evidence/recovery.test.ts.
test('recovers a last line torn at any byte, a last frame too, and tells of the torn bytes', async () => {
  expect(await recoversTorn('records', 1)).toBeGreaterThan(200)
  expect(await recoversTorn('recordings', 7)).toBeGreaterThan(30)
})
