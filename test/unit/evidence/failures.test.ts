import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, test } from 'vitest'
import { EvidenceError } from '../../../engine/errors.ts'
import { verifyEvidence, type EvidenceLog } from '../../../engine/evidence/index.ts'
import { FailingFiles, type Fault, type Step } from './failing-files.ts'
import { fileOf, intent, openLog, outcome, recordsOf, rows, scratch } from './workbench.ts'

/** Opens, appends one by one, closes; tells which decisions were acknowledged, and what went wrong first. */
async function run(directory: string, files: FailingFiles): Promise<{ acknowledged: string[]; errors: unknown[] }> {
  const acknowledged: string[] = []
  const errors: unknown[] = []
  let log: EvidenceLog | undefined
  try {
    log = await openLog(directory, { files, onFailure: (error) => errors.push(error) })
    for (const decision of ['d-1', 'd-2']) {
      await log.append(intent(decision)).durable
      acknowledged.push(decision)
      await log.appendFrame('s-1', rows(decision)).durable
      await log.append(outcome(decision)).durable
    }
    await log.close()
  } catch (error) {
    if (errors.length === 0) errors.push(error)
    await log?.close().catch(() => {})
  }
  return { acknowledged, errors }
}

async function stepsOfSoundRun(): Promise<readonly Step[]> {
  const sound = new FailingFiles(-1, 'before')
  const { errors } = await run(join(scratch(), 'new'), sound)
  expect(errors).toEqual([])
  return sound.steps
}

describe('a disk that fails once', () => {
  test.each<Fault>(['before', 'after', 'short', 'full'])(
    'at any step, %s its effect: the log stops, keeps what it acknowledged, and the next start recovers',
    async (fault) => {
      const steps = await stepsOfSoundRun()
      expect(steps.length).toBeGreaterThan(20)
      for (const [index, step] of steps.entries()) {
        if ((fault === 'short' || fault === 'full') && step !== 'write') continue
        const directory = join(scratch(), 'new')
        const { acknowledged, errors } = await run(directory, new FailingFiles(index, fault))
        expect(errors, `${step} ${index}`).toEqual([
          expect.objectContaining({
            code: step === 'write' || step === 'datasync' ? 'ERR_EVIDENCE_WRITE' : 'ERR_EVIDENCE_DIRECTORY',
            fatal: true,
          }),
        ])
        const log = await openLog(directory)
        await log.close()
        const report = await verifyEvidence(directory)
        expect(report, `${step} ${index}`).toMatchObject({ status: 'ok', findings: [] })
        expect(report.events['decision.forward'] ?? 0).toBeGreaterThanOrEqual(acknowledged.length)
      }
    },
  )

  it('says which file, why and what then, and tells onFailure once', async () => {
    const steps = await stepsOfSoundRun()
    const index = steps.lastIndexOf('datasync') - 2
    const errors: EvidenceError[] = []
    const directory = join(scratch(), 'new')
    const log = await openLog(directory, {
      files: new FailingFiles(index, 'before'),
      onFailure: (error) => errors.push(error),
    })
    const failures: unknown[] = []
    for (let round = 0; round < 10; round += 1) {
      await log.append(intent(`d-${round}`)).durable.catch((error: unknown) => failures.push(error))
    }
    expect(errors).toHaveLength(1)
    expect(new Set(failures)).toEqual(new Set(errors))
    expect(errors[0]?.message).toContain(fileOf(directory, 'records').path)
    expect(errors[0]?.message).toMatch(/EIO: i\/o error.*started again on a sound disk/)
    await expect(log.close()).rejects.toBe(errors[0])
    await (await openLog(directory)).close()
  })

  it('rejects the batch that failed and the one that filled meanwhile, and writes that one never', async () => {
    const steps = await stepsOfSoundRun()
    const second = steps.indexOf('write') + 2
    const directory = join(scratch(), 'new')
    const files = new FailingFiles(second, 'after')
    const log = await openLog(directory, { files })
    const one = log.append(intent('d-1')).durable
    while (files.steps.length <= second) await setImmediate()
    const two = log.append(intent('d-2')).durable
    const frame = log.appendFrame('s-1', rows('d-2')).durable
    for (const durable of [one, two, frame]) {
      await expect(durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE', fatal: true })
    }
    await expect(log.close()).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE' })
    expect(recordsOf(fileOf(directory, 'records')).map(({ decision }) => decision)).toEqual([undefined, 'd-1'])
    expect(fileOf(directory, 'recordings').read()).toHaveLength(0)
  })
})

it('refuses, retryably, what a slow disk has not got room for in memory', async () => {
  const slow = new FailingFiles(-1, 'before')
  const log = await openLog(scratch(), { files: slow })
  const detail = { text: 'x'.repeat(60_000) }
  const appended = Array.from({ length: 1200 }, () => log.append({ event: 'config.changed', detail }))
  const last = appended.at(-1)
  await expect(last?.durable).rejects.toMatchObject({ code: 'ERR_EVIDENCE_WRITE', retryable: true, fatal: false })
  await appended[0]?.durable
  await log.append({ event: 'config.changed' }).durable
  await log.close()
})

it('lets go of the lock when it could not open', async () => {
  const directory = scratch()
  await expect(openLog(directory, { files: new FailingFiles(6, 'before') })).rejects.toBeInstanceOf(EvidenceError)
  expect(existsSync(join(directory, 'locks', 'gw-1.lock'))).toBe(true)
  await (await openLog(directory)).close()
})
