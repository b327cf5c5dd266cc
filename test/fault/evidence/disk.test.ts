import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { verifyEvidence, type EvidenceLog } from '../../../engine/evidence/index.ts'
import { intent, openLog, rows, scratch, writeSession } from '../../unit/evidence/workbench.ts'

/** A file system of its own; false where this user may not mount one. */
function mountTmpfs(directory: string, options: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return false
  }
  onTestFinished(() => void execFileSync('umount', ['-l', directory]))
  return true
}

function remount(directory: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, directory])
}

async function appendUntilRefused(
  log: EvidenceLog,
): Promise<{ readonly acknowledged: number; readonly error: unknown }> {
  for (let acknowledged = 0; ; acknowledged += 1) {
    try {
      await log.append(intent(`d-${acknowledged}`)).durable
      await log.appendFrame('s-1', rows(`d-${acknowledged}`, 'x'.repeat(500))).durable
    } catch (error) {
      return { acknowledged, error }
    }
  }
}

describe('a real file system', () => {
  it('that is full: refuses, stops, keeps what it acknowledged, and recovers when there is room again', async (context) => {
    const mount = scratch()
    if (!mountTmpfs(mount, 'size=256k')) context.skip('only root can mount a small disk')
    const directory = join(mount, 'evidence')
    const failures: unknown[] = []
    const log = await openLog(directory, { onFailure: (error) => failures.push(error) })
    const { acknowledged, error } = await appendUntilRefused(log)
    expect(error).toMatchObject({ code: 'ERR_EVIDENCE_WRITE', fatal: true })
    expect(failures).toEqual([error])
    await expect(log.append(intent('d-after')).durable).rejects.toBe(error)
    await expect(log.close()).rejects.toBe(error)
    await expect(openLog(directory)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_EVIDENCE_/),
      fatal: true,
    })

    remount(mount, 'size=4m')
    const next = await openLog(directory)
    await writeSession(next, 's-2', 1)
    await next.close()
    const report = await verifyEvidence(directory)
    expect(report).toMatchObject({ status: 'ok', findings: [] })
    expect(report.events['decision.forward']).toBeGreaterThanOrEqual(acknowledged + 1)
  })

  test('that became read-only: no writer starts, and verification still works', async (context) => {
    const mount = scratch()
    if (!mountTmpfs(mount, 'size=1m')) context.skip('only root can mount a disk')
    const directory = join(mount, 'evidence')
    await (await openLog(directory)).close()
    remount(mount, 'ro')
    await expect(openLog(directory)).rejects.toMatchObject({
      code: 'ERR_EVIDENCE_DIRECTORY',
      fatal: true,
      message: expect.stringContaining('EROFS'),
    })
    expect(await verifyEvidence(directory)).toMatchObject({ status: 'ok' })
  })
})
