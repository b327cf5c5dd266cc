import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openEvidenceLog, verifyEvidence } from '../../../engine/evidence/index.ts'
import { filesOf, linesOf, recordsOf, scratch } from '../../unit/evidence/workbench.ts'

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url))

/** Lets a writer write for a while, kills it, and answers what it had been told was durable. */
async function killedAfter(directory: string, ms: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const told: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => told.push(line))
  await once(lines, 'line')
  await setTimeout(ms)
  const exited = once(child, 'exit')
  const drained = once(lines, 'close')
  child.kill('SIGKILL')
  await Promise.all([exited, drained])
  return told
}

it('a writer killed 20 times loses nothing it acknowledged, and its log verifies', async () => {
  const directory = scratch()
  const told: string[] = []
  for (let round = 0; round < 20; round += 1) told.push(...(await killedAfter(directory, 10 + round * 7)))
  expect(await verifyEvidence(directory)).toMatchObject({ status: 'incomplete' })
  const log = await openEvidenceLog({
    directory,
    instance: 'gw-1',
    now: Date.now,
    monotonic: () => process.hrtime.bigint(),
  })
  await log.close()
  const report = await verifyEvidence(directory)
  expect(report).toMatchObject({ status: 'ok', findings: [] })
  expect(report.writers.map(({ state }) => state)).toEqual([...Array.from({ length: 20 }, () => 'crash'), 'clean'])
  expect(report.inDoubt.length).toBeGreaterThan(0)

  const ids = new Set(
    filesOf(directory, 'records').flatMap((file) => recordsOf(file).map(({ id }) => `record ${String(id)}`)),
  )
  const heads = new Set(filesOf(directory, 'recordings').flatMap((file) => linesOf(file).map(leafOf)))
  const records = told.filter((line) => line.startsWith('record '))
  expect(records.length).toBeGreaterThan(1000)
  expect(records.filter((line) => !ids.has(line))).toEqual([])
  const frames = told.filter((line) => line.startsWith('frame '))
  expect(frames.filter((line) => !heads.has(line.slice(-64)))).toEqual([])
})

function leafOf(line: string): string {
  const { leaf }: { leaf: string } = JSON.parse(line)
  return leaf
}
