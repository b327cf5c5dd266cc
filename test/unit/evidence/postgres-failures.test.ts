import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { pullEvidence, verifyEvidence } from '../../../engine/evidence/index.ts'
import { startDatabases, type Databases } from '../../support/databases.ts'
import { FailingSessions, type SessionFault } from './failing-sessions.ts'
import { judge, loseAtSteps, openIn, run, signer } from './postgres-losses.ts'
import { intent, scratch } from './workbench.ts'

let databases: Databases
beforeAll(async () => {
  databases = await startDatabases()
})
afterAll(async () => {
  await databases?.[Symbol.asyncDispose]()
})

describe('a database that is lost once', { timeout: 120_000 }, () => {
  // Every step is test/fault/evidence/postgres-losses.test.ts.
  test.each<[SessionFault, number]>([
    ['before', 0],
    ['after', 3],
  ])(
    'at steps of append, order and sign, %s their effect: the log stops, keeps what it acknowledged, and the next start recovers',
    async (fault, from) => {
      expect(await loseAtSteps(await databases.create(), fault, { from, every: 6 })).toBeGreaterThan(5)
    },
  )

  it('a batch whose commit took effect while its answer was lost is there after the next start, once', async () => {
    const address = await databases.create()
    const whole = sound()
    await run(await databases.create(), whole)
    const writes = whole.steps.flatMap((step, at) => (step.startsWith('WITH writer AS') ? [at] : []))
    const second = writes[1] ?? 0 // The first is writer.opened, the second the first intent.
    const ran = await run(address, new FailingSessions(second, 'after'))
    expect(ran.acknowledged).toEqual([])
    await judge(address, ran, 'the intent')
    const [row] = await databases.sql(
      address,
      `SELECT count(*)::integer AS intents FROM evidence_lines WHERE line LIKE '%"event":"decision.forward"%'`,
    )
    expect(row).toEqual({ intents: 1 })
  })
})

const sound = (): FailingSessions => new FailingSessions(-1, 'before')

/** Ends the session that has the sequencer's lock. */
const END_SEQUENCER = `SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'
  AND (classid::bigint << 32 | objid::bigint) = hashtextextended('countersign/evidence/order', 0)`

describe('two gateways', () => {
  const rhythm = { everyMs: 20, heartbeatMs: 3_600_000 }

  it('have one sequencer; when that is lost the other takes over, says so, and the first goes on writing', async () => {
    const address = await databases.create()
    const failures: unknown[] = []
    const onFailure = (error: unknown): void => void failures.push(error)
    const a = await openIn(address, sound(), { instance: 'gw-a', rhythm, onFailure })
    const b = await openIn(address, sound(), { instance: 'gw-b', rhythm, onFailure })
    for (let round = 0; round < 5; round += 1) {
      await a.log.append(intent(`a-${round}`)).durable
      await b.log.append(intent(`b-${round}`)).durable
      // All may be signed while nobody has taken over yet: then there is none to end.
      await expect.poll(() => databases.sql(address, END_SEQUENCER), { timeout: 10_000 }).toHaveLength(1)
      await expect.poll(() => databases.sql(address, SIGNED), { timeout: 10_000 }).toEqual([{ unsigned: 0 }])
    }
    expect(failures).toEqual([])
    await Promise.all([a.close(), b.close()])
    const directory = scratch()
    await pullEvidence(address, directory)
    const report = await verifyEvidence(directory, { logKey: signer.verifier })
    expect(report).toMatchObject({ status: 'ok', findings: [], events: { 'decision.forward': 10 } })
    expect(report.events['gateway.failover']).toBeGreaterThanOrEqual(5)
  })

  it('leave nothing unsigned, whichever of them stops first', async () => {
    for (const order of [
      ['gw-a', 'gw-b'],
      ['gw-b', 'gw-a'],
    ] as const) {
      const address = await databases.create()
      const logs = new Map<string, Awaited<ReturnType<typeof openIn>>>()
      for (const instance of ['gw-a', 'gw-b']) logs.set(instance, await openIn(address, sound(), { instance, rhythm }))
      for (const instance of order) await logs.get(instance)?.close()
      const directory = scratch()
      await pullEvidence(address, directory)
      const report = await verifyEvidence(directory, { logKey: signer.verifier })
      expect(report).toMatchObject({ status: 'ok', findings: [], log: { unsigned: 0 } })
    }
  })

  it('one that died and does not come back is closed by the other, which says so', async () => {
    const address = await databases.create()
    const dead = await openIn(address, sound(), { instance: 'gw-b' })
    await dead.log.append(intent('d-lost')).durable
    await databases.sql(address, END_ALL)
    await dead.close().catch(() => undefined)
    const closed: unknown[] = []
    const clock = { now: Date.now, monotonic: () => process.hrtime.bigint() }
    const onPeerClosed = (each: unknown): void => void closed.push(each)
    const options = { instance: 'gw-a', rhythm: { ...rhythm, peerMs: 300 }, onPeerClosed, ...clock }
    const a = await openIn(address, sound(), options)
    await expect.poll(() => closed.length, { timeout: 10_000 }).toBe(1)
    expect(closed).toEqual([
      {
        instance: 'gw-b',
        last: expect.stringMatching(/^gw-b\./),
        inDoubt: [expect.objectContaining({ decision: 'd-lost' })],
      },
    ])
    await sleep(400)
    expect(closed).toHaveLength(1)
    await a.close()
    const again = await openIn(address, sound(), { instance: 'gw-b', ...clock })
    expect(again.log.inDoubt).toEqual([])
    await again.close()
    const directory = scratch()
    await pullEvidence(address, directory)
    expect(await verifyEvidence(directory, { logKey: signer.verifier })).toMatchObject({
      status: 'ok',
      findings: [],
      inDoubt: [{ decision: 'd-lost' }],
    })
  })
})

const SIGNED = `SELECT (SELECT count(*) FROM evidence_lines WHERE kind = 'record')::integer
  - (SELECT coalesce(sum(count), 0) FROM evidence_runs)::integer AS unsigned`
const END_ALL = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
  WHERE application_name = 'countersign evidence' AND datname = current_database()`
