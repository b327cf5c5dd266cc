import { expect } from 'vitest'
import {
  openEvidence,
  postgresStore,
  pullEvidence,
  verifyEvidence,
  type EvidenceLog,
  type PostgresAddress,
  type WriterOptions,
} from '../../../engine/evidence/index.ts'
import { FailingSessions, type SessionFault } from './failing-sessions.ts'
import { logSigner } from './signed.ts'
import { intent, outcome, rows, scratch, stepClock } from './workbench.ts'

export const signer: ReturnType<typeof logSigner> = logSigner()
const QUIET = { everyMs: 3_600_000, heartbeatMs: 3_600_000 }

/** A log in a database, over sessions that may fail; `close` closes the store as well. */
export async function openIn(
  address: PostgresAddress,
  sessions: FailingSessions,
  options: Partial<WriterOptions> = {},
): Promise<{ readonly log: EvidenceLog; close(): Promise<void> }> {
  const store = postgresStore(address, { connect: sessions.connect })
  try {
    const log = await openEvidence(store, { instance: 'gw-1', signer, rhythm: QUIET, ...stepClock(), ...options })
    const close = async (): Promise<void> => {
      try {
        await log.close()
      } finally {
        await store.close()
      }
    }
    return { log, close }
  } catch (error) {
    await store.close()
    throw error
  }
}

export interface Ran {
  readonly acknowledged: readonly string[]
  readonly errors: readonly unknown[]
}

/** Opens, appends one by one, closes; tells which decisions were acknowledged, and what went wrong first. */
export async function run(address: PostgresAddress, sessions: FailingSessions): Promise<Ran> {
  const acknowledged: string[] = []
  const errors: unknown[] = []
  let opened: Awaited<ReturnType<typeof openIn>> | undefined
  try {
    opened = await openIn(address, sessions, { onFailure: (error) => errors.push(error) })
    for (const decision of ['d-1', 'd-2']) {
      await opened.log.append(intent(decision)).durable
      acknowledged.push(decision)
      await opened.log.appendFrame('s-1', rows(decision)).durable
      await opened.log.append(outcome(decision)).durable
    }
    await opened.close()
  } catch (error) {
    if (errors.length === 0) errors.push(error)
    await opened?.close().catch(() => {})
  }
  return { acknowledged, errors }
}

/** Starts again, and holds what is then there against what was acknowledged. */
export async function judge(address: PostgresAddress, { acknowledged }: Ran, about: string): Promise<void> {
  const next = await openIn(address, new FailingSessions(-1, 'before'), stepClock(Date.UTC(2026, 3, 19)))
  const { inDoubt } = next.log
  await next.close()
  const directory = scratch()
  await pullEvidence(address, directory)
  const report = await verifyEvidence(directory, { logKey: signer.verifier })
  expect(report, `after ${about}`).toMatchObject({
    status: 'ok',
    findings: [],
    log: { signature: 'verified', unsigned: 0 },
  })
  expect(report.events['decision.forward'] ?? 0, `after ${about}`).toBeGreaterThanOrEqual(acknowledged.length)
  expect(report.inDoubt.map(({ decision }) => decision)).toEqual(inDoubt.map(({ decision }) => decision))
}

/**
 * Loses the session at every `every`th step of a whole run, one loss after the other on one database, so that each start
 * has all that the earlier ones left to recover from; judges after each.
 */
export async function loseAtSteps(
  address: PostgresAddress,
  fault: SessionFault,
  { from, every }: { readonly from: number; readonly every: number },
): Promise<number> {
  const sound = new FailingSessions(-1, 'before')
  expect((await run(address, sound)).errors).toEqual([])
  expect(sound.steps.length).toBeGreaterThan(30)
  let losses = 0
  for (let failAt = from; failAt < sound.steps.length; failAt += every) {
    const sessions = new FailingSessions(failAt, fault)
    const ran = await run(address, sessions)
    const about = `${fault} step ${failAt}, ${sessions.steps[failAt]}`
    expect(ran.errors, `after ${about}`).toEqual([
      expect.objectContaining({ code: expect.stringMatching(/^ERR_EVIDENCE_(WRITE|STORE)$/), fatal: true }),
    ])
    await judge(address, ran, about)
    losses += 1
  }
  return losses
}
