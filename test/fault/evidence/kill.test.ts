import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openEvidenceLog, verifyEvidence } from '../../../engine/evidence/index.ts'
import { logSigner } from '../../unit/evidence/log-signer.ts'
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

const KILLS = 200

// It signs every 20 ms as it writes, so that the kills meet writing, ordering and signing alike.
it(
  `a writer killed ${KILLS} times under load loses nothing it acknowledged, and its log verifies`,
  { timeout: 900_000 },
  async () => {
    const directory = scratch()
    const told: string[] = []
    for (let round = 0; round < KILLS; round += 1) told.push(...(await killedAfter(directory, (round * 37) % 150)))
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'incomplete' })
    const log = await openEvidenceLog({
      directory,
      instance: 'gw-1',
      now: Date.now,
      monotonic: () => process.hrtime.bigint(),
      signer: logSigner(),
    })
    await log.close()
    const report = await verifyEvidence(directory, { logKey: logSigner().verifier })
    expect(report).toMatchObject({ status: 'ok', findings: [], log: { signature: 'verified', unsigned: 0 } })
    expect(report.writers.map(({ state }) => state)).toEqual([...Array.from({ length: KILLS }, () => 'crash'), 'clean'])
    expect(report.inDoubt.length).toBeGreaterThan(0)

    const ids = new Set(
      filesOf(directory, 'records').flatMap((file) => recordsOf(file).map(({ id }) => `record ${String(id)}`)),
    )
    const heads = new Set(filesOf(directory, 'recordings').flatMap((file) => linesOf(file).map(leafOf)))
    const records = told.filter((line) => line.startsWith('record '))
    expect(records.length).toBeGreaterThan(1000)
    expect(records.filter((line) => !ids.has(line))).toEqual([])
    process.stdout.write(
      `${JSON.stringify({ kills: KILLS, acknowledged: told.length, records: report.records, inDoubt: report.inDoubt.length })}\n`,
    )
    const frames = told.filter((line) => line.startsWith('frame '))
    expect(frames.filter((line) => !heads.has(line.slice(-64)))).toEqual([])
  },
)

function leafOf(line: string): string {
  const { leaf }: { leaf: string } = JSON.parse(line)
  return leaf
}
