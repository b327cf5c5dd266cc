import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the demo holds everything that it claims', async () => {
  const demo = fileURLToPath(new URL('../../support/demo.ts', import.meta.url))
  const child = spawn(process.execPath, [demo], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  expect(complained).toBe('')
  expect(said).not.toContain('✗')
  expect(said.match(/✓/g)).toHaveLength(15)
  expect(said).not.toContain('\u001b') // colours are for terminals
  expect(child.exitCode).toBe(0)
})
